package mtls

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// ParseDN reads the string form of a distinguished name (RFC 4514): "CN=Bank,O=Bank AG,C=DE", the entry first and
// the root last, which is the reverse of the certificate's order. Types are short names in any case (see the
// README for the list) or dotted object identifiers; values use \, or \2C escapes, or are '#' and DER in
// hexadecimal; '+' joins the attributes of a multi-valued relative name. Beyond the RFC it accepts what common tools
// print: spaces around separators and the prefix "OID.". The empty string is the empty name.
func ParseDN(text string) (DN, error) {
	if len(text) > maxDN {
		return DN{}, fmt.Errorf("%w: longer than %d bytes", ErrDN, maxDN)
	}
	if !utf8.ValidString(text) {
		return DN{}, fmt.Errorf("%w: not UTF-8", ErrDN)
	}
	if text == "" {
		return DN{}, nil
	}
	p := &dnParser{rest: text}
	var rdns [][]attribute
	for {
		rdn, more, err := p.rdn()
		if err != nil {
			return DN{}, err
		}
		rdns = append(rdns, rdn)
		if !more {
			break
		}
	}
	slices.Reverse(rdns)
	return newDN(rdns)
}

// dnParser consumes rest from the left.
type dnParser struct{ rest string }

// rdn reads type=value pairs joined by '+'; more says that a ',' followed.
func (p *dnParser) rdn() (rdn []attribute, more bool, err error) {
	for {
		a, err := p.attribute()
		if err != nil {
			return nil, false, err
		}
		rdn = append(rdn, a)
		switch {
		case p.rest == "":
			return rdn, false, nil
		case p.rest[0] == ',':
			p.rest = p.rest[1:]
			return rdn, true, nil
		case p.rest[0] == '+':
			p.rest = p.rest[1:]
		default:
			return nil, false, fmt.Errorf("%w: %q must be escaped", ErrDN, p.rest[0])
		}
	}
}

func (p *dnParser) attribute() (attribute, error) {
	kind, rest, found := strings.Cut(p.rest, "=")
	if !found {
		return attribute{}, fmt.Errorf("%w: no '=' after an attribute type (write it as CN=name,C=DE)", ErrDN)
	}
	oid, err := attributeOID(strings.Trim(kind, " "))
	if err != nil {
		return attribute{}, err
	}
	p.rest = strings.TrimLeft(rest, " ")
	if strings.HasPrefix(p.rest, "#") {
		return p.hexValue(oid)
	}
	text, err := p.textValue()
	if err != nil {
		return attribute{}, err
	}
	return attribute{oid: oid, text: text, isText: true}, nil
}

// hexValue reads '#' and the value's DER in hexadecimal.
func (p *dnParser) hexValue(oid string) (attribute, error) {
	end := strings.IndexAny(p.rest, ",+")
	if end < 0 {
		end = len(p.rest)
	}
	der, err := hex.DecodeString(strings.TrimRight(p.rest[1:end], " "))
	if err != nil {
		return attribute{}, fmt.Errorf("%w: the value after '#' is not hexadecimal", ErrDN)
	}
	p.rest = p.rest[end:]
	if !oneElement(der) {
		return attribute{}, fmt.Errorf("%w: the value after '#' is not one DER element", ErrDN)
	}
	return newAttribute(oid, der)
}

// textValue reads up to an unescaped separator. Spaces at its end count only when they are escaped.
func (p *dnParser) textValue() (string, error) {
	var out []byte
	kept := 0 // length of out that ends in something other than a bare space
	for p.rest != "" {
		c := p.rest[0]
		switch c {
		case ',', '+':
			return checkText(out[:kept])
		case '"', ';', '<', '>', 0:
			return "", fmt.Errorf("%w: %q must be escaped", ErrDN, c)
		case '\\':
			b, length, err := unescape(p.rest)
			if err != nil {
				return "", err
			}
			out = append(out, b)
			p.rest = p.rest[length:]
			kept = len(out)
			continue
		}
		out = append(out, c)
		if p.rest = p.rest[1:]; c != ' ' {
			kept = len(out)
		}
	}
	return checkText(out[:kept])
}

// checkText refuses escapes that together are not UTF-8.
func checkText(text []byte) (string, error) {
	if !utf8.Valid(text) {
		return "", fmt.Errorf("%w: the escapes of a value are not UTF-8", ErrDN)
	}
	return string(text), nil
}

// unescape reads \x where x is special, or \hh, at the start of s.
func unescape(s string) (b byte, length int, err error) {
	if len(s) >= 2 && strings.IndexByte(specials, s[1]) >= 0 {
		return s[1], 2, nil
	}
	if len(s) >= 3 {
		if octet, err := hex.DecodeString(s[1:3]); err == nil {
			return octet[0], 3, nil
		}
	}
	return 0, 0, fmt.Errorf("%w: '\\' is followed by neither a special character nor two hexadecimal digits", ErrDN)
}

// specials may follow '\' (RFC 4514 section 3: special, ESC).
const specials = `"+,;<>\ #=`

// String is the RFC 4514 form: the entry first, the root last. [ParseDN] reads it back to an equal name.
func (d DN) String() string {
	var out strings.Builder
	for i, rdn := range slices.Backward(d.rdns) {
		for j, a := range rdn {
			if j > 0 {
				out.WriteByte('+')
			}
			a.write(&out)
		}
		if i > 0 {
			out.WriteByte(',')
		}
	}
	return out.String()
}

// write uses the dotted type and '#' for what has no registered short name (RFC 4514 section 2.3 and 2.4).
func (a attribute) write(out *strings.Builder) {
	name, known := attributeName[a.oid]
	if known && a.isText {
		out.WriteString(name)
		out.WriteByte('=')
		writeEscaped(out, a.text)
		return
	}
	out.WriteString(a.oid)
	if a.der == nil { // written as text: it has no DER of its own
		out.WriteByte('=')
		writeEscaped(out, a.text)
		return
	}
	out.WriteString("=#")
	out.WriteString(hex.EncodeToString(a.der))
}

// writeEscaped escapes what RFC 4514 section 2.4 demands, and control characters so that logs stay one line.
func writeEscaped(out *strings.Builder, text string) {
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c < ' ' || c == 0x7f:
			fmt.Fprintf(out, `\%02X`, c)
			continue
		case strings.IndexByte(`"+,;<>\`, c) >= 0,
			c == '#' && i == 0,
			c == ' ' && (i == 0 || i == len(text)-1):
			out.WriteByte('\\')
		}
		out.WriteByte(c)
	}
}
