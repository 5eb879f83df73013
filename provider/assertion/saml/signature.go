package saml

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
)

// Limits on certificates: how many are tried, and the size of their RSA keys.
const (
	MaxCertificates = 8
	minRSABits      = 2048
	maxRSABits      = 8192
)

const (
	exclusiveC14N = string(dsig.CanonicalXML10ExclusiveAlgorithmId)
	enveloped     = string(dsig.EnvelopedSignatureAltorithmId)
)

// signatureAlgorithm is one that counts, by the name that JOSE has for it.
type signatureAlgorithm struct {
	jose  string
	ecdsa bool
}

// signatureAlgorithms are those of XML Signature that count: RSASSA-PKCS1-v1_5 and ECDSA with SHA-2.
var signatureAlgorithms = map[string]signatureAlgorithm{
	dsig.RSASHA256SignatureMethod:   {"RS256", false},
	dsig.RSASHA384SignatureMethod:   {"RS384", false},
	dsig.RSASHA512SignatureMethod:   {"RS512", false},
	dsig.ECDSASHA256SignatureMethod: {"ES256", true},
	dsig.ECDSASHA384SignatureMethod: {"ES384", true},
	dsig.ECDSASHA512SignatureMethod: {"ES512", true},
}

// Algorithms returns the names of the signature algorithms that are read, as JOSE has them (RFC 7518 section 3.1).
func Algorithms() []string { return []string{"ES256", "ES384", "ES512", "RS256", "RS384", "RS512"} }

var digests = []string{
	"http://www.w3.org/2001/04/xmlenc#sha256", "http://www.w3.org/2001/04/xmldsig-more#sha384", "http://www.w3.org/2001/04/xmlenc#sha512",
}

// CheckCertificate says whether the certificate's key is one that signatures are checked with.
func CheckCertificate(cert *x509.Certificate) error {
	switch key := cert.PublicKey.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < minRSABits || bits > maxRSABits {
			return fmt.Errorf("RSA keys need %d to %d bits", minRSABits, maxRSABits)
		}
		return nil
	case *ecdsa.PublicKey:
		if curve := key.Curve; curve == elliptic.P256() || curve == elliptic.P384() || curve == elliptic.P521() {
			return nil
		}
	}
	return errors.New("its key is neither RSA nor on one of the curves P-256, P-384 and P-521")
}

// soleSignature returns the one signature of the document: a child of the root.
func soleSignature(root *etree.Element) (*etree.Element, error) {
	switch count(root, "Signature") {
	case 0:
		return nil, fmt.Errorf("%w: there is none", ErrSignature)
	case 1:
	default:
		return nil, malformed("it has more than one signature")
	}
	for _, child := range root.ChildElements() {
		if is(child, nsSignature, "Signature") {
			return child, nil
		}
	}
	return nil, malformed("its signature is not a child of the assertion")
}

// checkSignature leaves a signature one shape only (SAML Core section 5.4): one reference, to the assertion by its ID, the
// two transforms that take the signature out and make the rest canonical, and algorithms that count.
func checkSignature(signature *etree.Element, id string) (signatureAlgorithm, error) {
	var algorithm signatureAlgorithm
	s := shape{}
	names := []string{"SignedInfo", "SignatureValue"}
	if len(signature.ChildElements()) == 3 {
		names = append(names, "KeyInfo") // unread
	}
	parts := s.children(signature, names...)
	info := s.children(parts[0], "CanonicalizationMethod", "SignatureMethod", "Reference")
	s.algorithm(info[0], exclusiveC14N)
	s.leaf(info[0])
	algorithm, known := signatureAlgorithms[s.attr(info[1], "Algorithm")]
	s.leaf(info[1])
	if s.attr(info[2], "URI") != "#"+id {
		s.fail(malformed("its signature is over something else"))
	}
	reference := s.children(info[2], "Transforms", "DigestMethod", "DigestValue")
	transforms := s.children(reference[0], "Transform", "Transform")
	s.algorithm(transforms[0], enveloped)
	s.leaf(transforms[0])
	s.algorithm(transforms[1], exclusiveC14N)
	s.prefixes(transforms[1])
	if !slices.Contains(digests, s.attr(reference[1], "Algorithm")) {
		s.fail(fmt.Errorf("%w: of the digest", ErrAlgorithm))
	}
	s.leaf(reference[1])
	if !known {
		s.fail(fmt.Errorf("%w: of the signature", ErrAlgorithm))
	}
	return algorithm, s.err
}

// shape remembers the first thing that was wrong, so that a shape reads as one list.
type shape struct{ err error }

func (s *shape) fail(err error) {
	if s.err == nil {
		s.err = err
	}
}

// children wants exactly these child elements, in this order. What is missing is replaced by an empty element.
func (s *shape) children(el *etree.Element, names ...string) []*etree.Element {
	list, err := elements(el)
	if err != nil {
		s.fail(err)
	}
	ok := len(list) == len(names)
	for i := 0; ok && i < len(names); i++ {
		ok = is(list[i], nsSignature, names[i])
	}
	if ok {
		return list
	}
	s.fail(malformed("its signature has another form"))
	return slices.Repeat([]*etree.Element{etree.NewElement("none")}, len(names))
}

// attr returns an attribute. One in a namespace is refused: readers differ on whether that is the same one.
func (s *shape) attr(el *etree.Element, name string) string {
	for _, a := range el.Attr {
		if a.Space != "" && a.Space != "xmlns" {
			s.fail(malformed("an attribute of its signature is in a namespace"))
		}
	}
	value, ok := attr(el, name)
	if !ok {
		s.fail(malformed("its signature has another form"))
	}
	return value
}

func (s *shape) algorithm(el *etree.Element, want string) {
	if s.attr(el, "Algorithm") != want {
		s.fail(fmt.Errorf("%w: of a transform", ErrAlgorithm))
	}
}

func (s *shape) leaf(el *etree.Element) {
	if len(el.Child) > 0 {
		s.fail(malformed("a parameter of its signature is not understood"))
	}
}

// prefixes wants nothing but a list of namespace prefixes, if anything (Exclusive XML Canonicalization section 4).
func (s *shape) prefixes(transform *etree.Element) {
	list, err := elements(transform)
	if err != nil {
		s.fail(err)
	}
	switch {
	case len(list) == 0:
	case len(list) == 1 && is(list[0], exclusiveC14N, "InclusiveNamespaces"):
		s.attr(list[0], "PrefixList")
		s.leaf(list[0])
	default:
		s.fail(malformed("a parameter of its signature is not understood"))
	}
}

// Verify checks the signature with the certificates' keys, one after the other, of which at most [MaxCertificates] count,
// each while it is valid; algorithms are those that count, by their JOSE names. What it returns was read from the bytes
// that were signed. Errors wrap [ErrAlgorithm], [ErrSignature] or [ErrMalformed].
func (d *Document) Verify(certificates []*x509.Certificate, algorithms []string, now time.Time) (Assertion, error) {
	if !slices.Contains(algorithms, d.algorithm.jose) {
		return Assertion{}, fmt.Errorf("%w: of the signature", ErrAlgorithm)
	}
	for _, cert := range certificates[:min(len(certificates), MaxCertificates)] {
		signed, err := d.verifyWith(cert, now)
		if err != nil {
			continue
		}
		return d.read(signed)
	}
	return Assertion{}, ErrSignature
}

// verifyWith returns the element that was signed, made anew from the bytes whose digest is in the signature.
func (d *Document) verifyWith(cert *x509.Certificate, now time.Time) (*etree.Element, error) {
	if err := CheckCertificate(cert); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	root := d.root.Copy()
	signature := root.ChildElements()[slices.Index(d.root.ChildElements(), d.signature)]
	parts := signature.ChildElements()
	value, err := signatureValue(parts[1], d.algorithm, cert)
	if err != nil {
		return nil, err
	}
	parts[1].SetText(base64.StdEncoding.EncodeToString(value))
	if len(parts) == 3 {
		signature.RemoveChild(parts[2]) // KeyInfo: what the document says about the key; the signature does not cover it
	}
	validation := dsig.NewDefaultValidationContext(&dsig.MemoryX509CertificateStore{Roots: []*x509.Certificate{cert}})
	validation.Clock = dsig.NewFakeClockAt(now)
	signed, err := validation.Validate(root)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	return signed, nil
}

// signatureValue reads the signature for the key. XML Signature has the two numbers of ECDSA side by side (RFC 4050
// section 3.3), where Go wants them in ASN.1.
func signatureValue(el *etree.Element, algorithm signatureAlgorithm, cert *x509.Certificate) ([]byte, error) {
	encoded, err := text(el)
	if err != nil {
		return nil, err
	}
	value, err := base64.StdEncoding.Strict().DecodeString(strings.Join(strings.Fields(encoded), ""))
	if err != nil {
		return nil, malformed("its signature is not base64")
	}
	key, isECDSA := cert.PublicKey.(*ecdsa.PublicKey)
	if isECDSA != algorithm.ecdsa {
		return nil, fmt.Errorf("%w: not for this key", ErrAlgorithm)
	}
	if !isECDSA {
		return value, nil
	}
	size := (key.Curve.Params().BitSize + 7) / 8
	if len(value) != 2*size {
		return nil, fmt.Errorf("%w: its length is not that of the key", ErrSignature)
	}
	return asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(value[:size]), new(big.Int).SetBytes(value[size:])})
}
