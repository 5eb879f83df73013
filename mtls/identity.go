package mtls

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	tag "golang.org/x/crypto/cryptobyte/asn1"
)

// ErrIdentity says that a certificate is not the expected client's.
var ErrIdentity = errors.New("the certificate is another client's")

// Identity names the one certificate subject that a tls_client_auth client may present; exactly one field is set.
type Identity struct {
	SubjectDN string // tls_client_auth_subject_dn: RFC 4514
	SANDNS    string // tls_client_auth_san_dns: a host name, no wildcard
	SANURI    string // tls_client_auth_san_uri: an absolute URI, compared character by character
	SANIP     string // tls_client_auth_san_ip: IPv4 or IPv6, compared as an address
	SANEmail  string // tls_client_auth_san_email: the part after @ without regard to case
}

// Validate says what is wrong with a registered identity: not exactly one field set, or one that does not parse.
func (i Identity) Validate() error {
	set := 0
	for _, field := range []string{i.SubjectDN, i.SANDNS, i.SANURI, i.SANIP, i.SANEmail} {
		if field != "" {
			set++
		}
	}
	if set != 1 {
		return fmt.Errorf("exactly one of subject_dn, san_dns, san_uri, san_ip, san_email names the certificate, not %d (RFC 8705 section 2.1.2)", set)
	}
	switch {
	case i.SubjectDN != "":
		name, err := ParseDN(i.SubjectDN)
		if err == nil && name.IsEmpty() {
			err = fmt.Errorf("%w: no attribute", ErrDN)
		}
		return wrap("subject_dn", err)
	case i.SANDNS != "":
		return wrap("san_dns", checkHost(i.SANDNS))
	case i.SANURI != "":
		return wrap("san_uri", checkURI(i.SANURI))
	case i.SANIP != "":
		_, err := parseIP(i.SANIP)
		return wrap("san_ip", err)
	}
	return wrap("san_email", checkEmail(i.SANEmail))
}

func wrap(field string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", field, err)
}

// Match compares the certificate with the registered identity (RFC 8705 section 2.1.2): nil, ErrIdentity, or what is
// wrong with the identity or the certificate's subject. One fitting entry among the certificate's alternative names
// is enough. It says nothing about trust: verify the certificate too.
func (i Identity) Match(cert *x509.Certificate) error {
	if err := i.Validate(); err != nil {
		return err
	}
	if cert == nil {
		return fmt.Errorf("%w: none presented", ErrIdentity)
	}
	fits, what := false, ""
	var err error
	switch {
	case i.SubjectDN != "":
		what = "subject"
		fits, err = i.matchSubject(cert)
	case i.SANDNS != "":
		what = "dNSName"
		fits = slices.ContainsFunc(cert.DNSNames, func(name string) bool { return equalASCII(name, i.SANDNS) })
	case i.SANURI != "":
		what = "uniformResourceIdentifier"
		fits, err = i.matchURI(cert)
	case i.SANIP != "":
		what = "iPAddress"
		fits, err = i.matchIP(cert)
	case i.SANEmail != "":
		what = "rfc822Name"
		fits = slices.ContainsFunc(cert.EmailAddresses, func(name string) bool { return equalEmail(name, i.SANEmail) })
	}
	if err == nil && !fits {
		err = fmt.Errorf("%w: %s differs", ErrIdentity, what)
	}
	return err
}

func (i Identity) matchSubject(cert *x509.Certificate) (bool, error) {
	want, err := ParseDN(i.SubjectDN)
	if err != nil {
		return false, err
	}
	have, err := DNOf(cert)
	if err != nil {
		return false, err
	}
	return !want.IsEmpty() && have.Equal(want), nil
}

func (i Identity) matchIP(cert *x509.Certificate) (bool, error) {
	want, err := parseIP(i.SANIP)
	if err != nil {
		return false, err
	}
	for _, raw := range cert.IPAddresses {
		if have, ok := netip.AddrFromSlice(raw); ok && have.Unmap() == want {
			return true, nil
		}
	}
	return false, nil
}

// matchURI reads the names from the extension's DER: a parsed and reassembled URI may be written differently.
func (i Identity) matchURI(cert *x509.Certificate) (bool, error) {
	names, err := uriNames(cert)
	return err == nil && slices.Contains(names, i.SANURI), err
}

var oidSAN = []int{2, 5, 29, 17}

// uriNames lists the uniformResourceIdentifier entries of SubjectAltName (RFC 5280 section 4.2.1.6).
func uriNames(cert *x509.Certificate) ([]string, error) {
	const uriTag = tag.Tag(6) | 0x80 // [6] IMPLICIT IA5String
	var found []string
	for _, extension := range cert.Extensions {
		if !extension.Id.Equal(oidSAN) {
			continue
		}
		input := cryptobyte.String(extension.Value)
		var names, name cryptobyte.String
		if !input.ReadASN1(&names, tag.SEQUENCE) || !input.Empty() {
			return nil, errors.New("the certificate's alternative names are malformed")
		}
		for !names.Empty() {
			var kind tag.Tag
			if !names.ReadAnyASN1(&name, &kind) {
				return nil, errors.New("the certificate's alternative names are malformed")
			}
			if kind == uriTag {
				found = append(found, string(name))
			}
		}
	}
	return found, nil
}

func checkHost(host string) error {
	if len(host) > 253 {
		return errors.New("longer than 253 characters")
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return errors.New("not a host name")
		}
		for _, c := range []byte(label) {
			if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return errors.New("not a host name (no wildcards; international names as A-labels)")
			}
		}
	}
	return nil
}

func checkURI(text string) error {
	uri, err := url.Parse(text)
	if err != nil || !uri.IsAbs() || !isASCII([]byte(text)) {
		return errors.New("not an absolute URI")
	}
	return nil
}

func parseIP(text string) (netip.Addr, error) {
	address, err := netip.ParseAddr(text)
	if err != nil || address.Zone() != "" {
		return netip.Addr{}, errors.New("not an IP address")
	}
	return address.Unmap(), nil
}

func checkEmail(text string) error {
	at := strings.LastIndexByte(text, '@')
	if at < 1 || len(text) > 320 || !isASCII([]byte(text)) || strings.ContainsAny(text, " \t\r\n<>,;\x00") {
		return errors.New("not an e-mail address")
	}
	return checkHost(text[at+1:])
}

// equalEmail: the local part exactly, the host without regard to case (RFC 5280 section 7.5).
func equalEmail(a, b string) bool {
	i, j := strings.LastIndexByte(a, '@'), strings.LastIndexByte(b, '@')
	return i > 0 && j > 0 && a[:i] == b[:j] && equalASCII(a[i:], b[j:])
}

// equalASCII ignores the case of ASCII letters only; strings.EqualFold would also equate the Kelvin sign and K.
func equalASCII(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		x, y := a[i], b[i]
		if 'A' <= x && x <= 'Z' {
			x += 'a' - 'A'
		}
		if 'A' <= y && y <= 'Z' {
			y += 'a' - 'A'
		}
		if x != y {
			return false
		}
	}
	return true
}
