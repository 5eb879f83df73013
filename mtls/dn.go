package mtls

import (
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/crypto/cryptobyte"
	tag "golang.org/x/crypto/cryptobyte/asn1"
)

// ErrDN marks a distinguished name that does not parse.
var ErrDN = errors.New("malformed distinguished name")

const (
	maxDN         = 8 << 10 // bytes of a name, as text or DER
	maxAttributes = 64
)

// DN is a distinguished name, parsed: a sequence of relative names, each a set of attributes. It compares by what
// it means, not by how it is written. The zero value is the empty name.
type DN struct {
	rdns [][]attribute // in the certificate's order, from the root ("C=DE") to the entry ("CN=...")
	key  string        // the same for two names exactly when they are equal
}

// attribute is one type and value. A value without a string form keeps its DER alone.
type attribute struct {
	oid    string // dotted
	text   string
	isText bool
	der    []byte // as found in a certificate or behind '#'; nil when it was written as text
}

// DNOf is the subject of the certificate, from its DER: nothing that a library may have dropped is missing.
func DNOf(cert *x509.Certificate) (DN, error) {
	if cert == nil {
		return DN{}, fmt.Errorf("%w: no certificate", ErrDN)
	}
	return parseName(cert.RawSubject)
}

// IssuerOf is the certificate's issuer, read like the subject.
func IssuerOf(cert *x509.Certificate) (DN, error) {
	if cert == nil {
		return DN{}, fmt.Errorf("%w: no certificate", ErrDN)
	}
	return parseName(cert.RawIssuer)
}

// parseName reads Name ::= SEQUENCE OF SET OF SEQUENCE { type, value } (RFC 5280 section 4.1.2.4).
func parseName(der []byte) (DN, error) {
	if len(der) > maxDN {
		return DN{}, fmt.Errorf("%w: longer than %d bytes", ErrDN, maxDN)
	}
	input := cryptobyte.String(der)
	var name cryptobyte.String
	if !input.ReadASN1(&name, tag.SEQUENCE) || !input.Empty() {
		return DN{}, fmt.Errorf("%w: not one sequence", ErrDN)
	}
	var rdns [][]attribute
	for !name.Empty() {
		var set cryptobyte.String
		if !name.ReadASN1(&set, tag.SET) || set.Empty() {
			return DN{}, fmt.Errorf("%w: a relative name is not a filled set", ErrDN)
		}
		var rdn []attribute
		for !set.Empty() {
			a, err := readAttribute(&set)
			if err != nil {
				return DN{}, err
			}
			rdn = append(rdn, a)
		}
		rdns = append(rdns, rdn)
	}
	return newDN(rdns)
}

func readAttribute(set *cryptobyte.String) (attribute, error) {
	var pair, value cryptobyte.String
	var oid asn1.ObjectIdentifier
	var kind tag.Tag
	if !set.ReadASN1(&pair, tag.SEQUENCE) || !pair.ReadASN1ObjectIdentifier(&oid) ||
		!pair.ReadAnyASN1Element(&value, &kind) || !pair.Empty() {
		return attribute{}, fmt.Errorf("%w: an attribute is not a type and a value", ErrDN)
	}
	return newAttribute(oid.String(), value)
}

// newAttribute decodes a value of one of the string types; any other stays DER.
func newAttribute(oid string, der []byte) (attribute, error) {
	text, isText, err := decodeString(der)
	if err != nil {
		return attribute{}, err
	}
	return attribute{oid: oid, text: text, isText: isText, der: der}, nil
}

func newDN(rdns [][]attribute) (DN, error) {
	var key strings.Builder
	count := 0
	for _, rdn := range rdns {
		keys := make([]string, len(rdn))
		for i, a := range rdn {
			keys[i] = a.key()
		}
		slices.Sort(keys)
		for _, k := range keys {
			key.WriteString(k)
			key.WriteByte('+')
		}
		key.WriteByte(',')
		count += len(rdn)
	}
	if count > maxAttributes {
		return DN{}, fmt.Errorf("%w: more than %d attributes", ErrDN, maxAttributes)
	}
	return DN{rdns: rdns, key: key.String()}, nil
}

// key is equal for attributes that match. Quoting keeps a value from looking like two attributes.
func (a attribute) key() string {
	if !a.isText {
		return a.oid + "=#" + hex.EncodeToString(a.der)
	}
	return a.oid + "=" + strconv.Quote(prepare(a.text))
}

// Equal compares two names as RFC 4517 section 4.2.11 and 4.2.15 do: relative names in order, the attributes of a
// multi-valued one in any order, text without regard to case, to spaces at its ends and to the number of spaces
// within, whatever its string type. Stricter than RFC 4518 in two things: characters are not normalised (a letter
// and its full-width look-alike differ) and control characters count. Both err on the side of refusing.
func (d DN) Equal(other DN) bool { return d.key == other.key }

// IsEmpty says whether the name has no attribute.
func (d DN) IsEmpty() bool { return len(d.rdns) == 0 }

// prepare folds case and spaces (RFC 4518 sections 2.2 and 2.6.1).
func prepare(text string) string {
	var out strings.Builder
	out.Grow(len(text))
	pending := false // a space that counts only if something follows
	for _, r := range text {
		if isSpace(r) {
			pending = out.Len() > 0
			continue
		}
		if pending {
			out.WriteByte(' ')
			pending = false
		}
		out.WriteRune(fold(r))
	}
	return out.String()
}

func isSpace(r rune) bool {
	switch r {
	case ' ', '\t', '\n', '\v', '\f', '\r', 0x85:
		return true
	}
	return r > unicode.MaxASCII && unicode.In(r, unicode.Zs, unicode.Zl, unicode.Zp)
}

// fold is the smallest character that differs from r in case only, so that all of them fold alike.
func fold(r rune) rune {
	if r <= unicode.MaxASCII {
		// The ASCII letters' own orbit holds two non-ASCII characters, whose smallest member is the capital letter.
		if 'a' <= r && r <= 'z' {
			return r - 'a' + 'A'
		}
		return r
	}
	smallest := r
	for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
		smallest = min(smallest, next)
	}
	return smallest
}
