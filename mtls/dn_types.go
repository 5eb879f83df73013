package mtls

import (
	"encoding/asn1"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	tag "golang.org/x/crypto/cryptobyte/asn1"
)

// attributeName is how [DN.String] writes a type (the IANA registry of LDAP descriptors, and emailAddress).
var attributeName = map[string]string{
	"2.5.4.3": "CN", "2.5.4.4": "SN", "2.5.4.5": "serialNumber", "2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.8": "ST",
	"2.5.4.9": "STREET", "2.5.4.10": "O", "2.5.4.11": "OU", "2.5.4.12": "title", "2.5.4.13": "description",
	"2.5.4.15": "businessCategory", "2.5.4.16": "postalAddress", "2.5.4.17": "postalCode", "2.5.4.18": "postOfficeBox",
	"2.5.4.20": "telephoneNumber", "2.5.4.41": "name", "2.5.4.42": "givenName", "2.5.4.43": "initials",
	"2.5.4.44": "generationQualifier", "2.5.4.46": "dnQualifier", "2.5.4.65": "pseudonym",
	"2.5.4.97": "organizationIdentifier", "0.9.2342.19200300.100.1.1": "UID", "0.9.2342.19200300.100.1.25": "DC",
	"1.2.840.113549.1.9.1":     "emailAddress",
	"1.3.6.1.4.1.311.60.2.1.1": "jurisdictionL", "1.3.6.1.4.1.311.60.2.1.2": "jurisdictionST",
	"1.3.6.1.4.1.311.60.2.1.3": "jurisdictionC",
}

// attributeAlias holds, in lower case, further names that tools print for the same types.
var attributeAlias = map[string]string{
	"commonname": "2.5.4.3", "surname": "2.5.4.4", "countryname": "2.5.4.6", "localityname": "2.5.4.7",
	"stateorprovincename": "2.5.4.8", "s": "2.5.4.8", "sp": "2.5.4.8", "streetaddress": "2.5.4.9",
	"organizationname": "2.5.4.10", "organizationalunitname": "2.5.4.11", "t": "2.5.4.12", "gn": "2.5.4.42", "g": "2.5.4.42",
	"dnq": "2.5.4.46", "userid": "0.9.2342.19200300.100.1.1", "domaincomponent": "0.9.2342.19200300.100.1.25",
	"e": "1.2.840.113549.1.9.1", "email": "1.2.840.113549.1.9.1",
	"jurisdictionlocalityname":        "1.3.6.1.4.1.311.60.2.1.1",
	"jurisdictionstateorprovincename": "1.3.6.1.4.1.311.60.2.1.2",
	"jurisdictioncountryname":         "1.3.6.1.4.1.311.60.2.1.3",
}

// attributeByName is both tables by lower-case name.
var attributeByName = func() map[string]string {
	all := make(map[string]string, len(attributeName)+len(attributeAlias))
	for oid, name := range attributeName {
		all[strings.ToLower(name)] = oid
	}
	for name, oid := range attributeAlias {
		all[name] = oid
	}
	return all
}()

// attributeOID is the dotted identifier of a type as written.
func attributeOID(kind string) (string, error) {
	if kind == "" {
		return "", fmt.Errorf("%w: an attribute without type", ErrDN)
	}
	if oid := attributeByName[strings.ToLower(kind)]; oid != "" {
		return oid, nil
	}
	dotted := kind
	if len(kind) > 4 && strings.EqualFold(kind[:4], "OID.") {
		dotted = kind[4:]
	}
	if !validOID(dotted) {
		return "", fmt.Errorf("%w: unknown attribute type %q (write it as a dotted object identifier)", ErrDN, kind)
	}
	return dotted, nil
}

// validOID accepts numericoid (RFC 4512 section 1.4): numbers without leading zeros, a first arc of 0 to 2, a second
// below 40 under the first two; numbers fit 31 bits, as in the certificates that Go reads.
func validOID(dotted string) bool {
	var b cryptobyte.Builder
	oid, ok := splitOID(dotted)
	if !ok {
		return false
	}
	b.AddASN1ObjectIdentifier(oid)
	_, err := b.Bytes()
	return err == nil && oid.String() == dotted
}

func splitOID(dotted string) (asn1.ObjectIdentifier, bool) {
	parts := strings.Split(dotted, ".")
	if len(parts) < 2 || len(parts) > 32 {
		return nil, false
	}
	oid := make(asn1.ObjectIdentifier, len(parts))
	for i, part := range parts {
		if part == "" || len(part) > 10 {
			return nil, false
		}
		n := 0
		for _, c := range []byte(part) {
			if c < '0' || c > '9' {
				return nil, false
			}
			n = n*10 + int(c-'0')
		}
		if n > 1<<31-1 {
			return nil, false
		}
		oid[i] = n
	}
	return oid, true
}

// String types that cryptobyte does not name.
const (
	tagNumericString   = tag.Tag(18)
	tagVisibleString   = tag.Tag(26)
	tagUniversalString = tag.Tag(28)
	tagBMPString       = tag.Tag(30)
)

// decodeString is the text of a value of a string type (X.680); isText is false for any other type.
func decodeString(der []byte) (text string, isText bool, err error) {
	input := cryptobyte.String(der)
	var content cryptobyte.String
	var kind tag.Tag
	if !input.ReadAnyASN1(&content, &kind) || !input.Empty() {
		return "", false, fmt.Errorf("%w: a value is not one DER element", ErrDN)
	}
	var ok bool
	switch kind {
	case tag.UTF8String:
		text, ok = string(content), utf8.Valid(content)
	case tag.PrintableString, tag.IA5String, tagNumericString, tagVisibleString:
		text, ok = string(content), isASCII(content)
	case tag.T61String: // in practice Latin-1
		runes := make([]rune, len(content))
		for i, c := range content {
			runes[i] = rune(c)
		}
		text, ok = string(runes), true
	case tagBMPString:
		text, ok = decodeBMP(content)
	case tagUniversalString:
		text, ok = decodeUniversal(content)
	default:
		return "", false, nil
	}
	if !ok {
		return "", false, fmt.Errorf("%w: a value does not fit its string type", ErrDN)
	}
	return text, true, nil
}

func isASCII(content []byte) bool {
	for _, c := range content {
		if c > 0x7f {
			return false
		}
	}
	return true
}

func decodeBMP(content []byte) (string, bool) {
	if len(content)%2 != 0 {
		return "", false
	}
	units := make([]uint16, len(content)/2)
	for i := range units {
		units[i] = uint16(content[2*i])<<8 | uint16(content[2*i+1])
		if utf16.IsSurrogate(rune(units[i])) { // BMPString has no surrogate pairs
			return "", false
		}
	}
	return string(utf16.Decode(units)), true
}

func decodeUniversal(content []byte) (string, bool) {
	if len(content)%4 != 0 {
		return "", false
	}
	runes := make([]rune, 0, len(content)/4)
	for i := 0; i < len(content); i += 4 {
		r := rune(content[i])<<24 | rune(content[i+1])<<16 | rune(content[i+2])<<8 | rune(content[i+3])
		if !utf8.ValidRune(r) {
			return "", false
		}
		runes = append(runes, r)
	}
	return string(runes), true
}

func oneElement(der []byte) bool {
	input := cryptobyte.String(der)
	var element cryptobyte.String
	var kind tag.Tag
	return input.ReadAnyASN1Element(&element, &kind) && input.Empty()
}
