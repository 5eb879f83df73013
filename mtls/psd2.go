package mtls

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	tag "golang.org/x/crypto/cryptobyte/asn1"
)

// The roles of a payment service provider (ETSI TS 119 495 section 5.1, PSD2 Annex I).
const (
	RoleAccountServicing   = "PSP_AS" // holds the accounts
	RolePaymentInitiation  = "PSP_PI" // starts payments
	RoleAccountInformation = "PSP_AI" // reads accounts
	RoleCardIssuing        = "PSP_IC" // issues card-based payment instruments
)

// ErrQCStatements marks a qualified-certificate extension that does not parse as its standard demands.
var ErrQCStatements = errors.New("malformed QCStatements")

// PSD2 is the PSD2 statement of a qualified certificate (ETSI TS 119 495 section 5.1).
type PSD2 struct {
	// Roles are PSP_AS, PSP_PI, PSP_AI, PSP_IC, each at most once, in the certificate's order. A role that this
	// version does not know is given as its dotted object identifier, which no rule for a known role matches.
	Roles         []string
	AuthorityName string // competent authority in words, "Federal Financial Supervisory Authority"
	AuthorityID   string // its identifier, "DE-BAFIN"
}

var (
	oidQCStatements = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 3} // RFC 3739 section 3.2.6
	oidPSD2         = asn1.ObjectIdentifier{0, 4, 0, 19495, 2}
	oidPSD2Role     = asn1.ObjectIdentifier{0, 4, 0, 19495, 1}
	oidQcType       = asn1.ObjectIdentifier{0, 4, 0, 1862, 1, 6}    // ETSI EN 319 412-5 section 4.2.3
	oidQcTypeWeb    = asn1.ObjectIdentifier{0, 4, 0, 1862, 1, 6, 3} // a certificate for website authentication
	oidOrganization = asn1.ObjectIdentifier{2, 5, 4, 97}            // organizationIdentifier, ETSI EN 319 412-1
)

// roleNames holds the known roles; the index is the last arc of the role's object identifier.
var roleNames = [...]string{1: RoleAccountServicing, 2: RolePaymentInitiation, 3: RoleAccountInformation, 4: RoleCardIssuing}

const (
	maxQCStatements = 16 << 10 // bytes of the whole extension
	maxRoles        = 32
	maxPSD2Text     = 256 // characters of each text (ETSI TS 119 495 annex A)
)

// ParseQCStatements reads the value of the QCStatements extension (1.3.6.1.5.5.7.1.3). It returns nil, nil when
// there is no PSD2 statement in it, and ErrQCStatements when it is malformed, holds two PSD2 statements, or names
// a role by an object identifier and a text that contradict each other.
func ParseQCStatements(der []byte) (*PSD2, error) {
	if len(der) > maxQCStatements {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrQCStatements, maxQCStatements)
	}
	input, found := cryptobyte.String(der), (*PSD2)(nil)
	var statements cryptobyte.String
	if !input.ReadASN1(&statements, tag.SEQUENCE) || !input.Empty() {
		return nil, fmt.Errorf("%w: not one sequence", ErrQCStatements)
	}
	for !statements.Empty() {
		var statement cryptobyte.String
		var id asn1.ObjectIdentifier
		if !statements.ReadASN1(&statement, tag.SEQUENCE) || !statement.ReadASN1ObjectIdentifier(&id) {
			return nil, fmt.Errorf("%w: a statement without identifier", ErrQCStatements)
		}
		if !id.Equal(oidPSD2) {
			continue
		}
		if found != nil {
			return nil, fmt.Errorf("%w: two PSD2 statements", ErrQCStatements)
		}
		var err error
		if found, err = parsePSD2(statement); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// parsePSD2 reads PSD2QcType ::= SEQUENCE { rolesOfPSP, nCAName, nCAId }.
func parsePSD2(info cryptobyte.String) (*PSD2, error) {
	var body, roles cryptobyte.String
	if !info.ReadASN1(&body, tag.SEQUENCE) || !info.Empty() || !body.ReadASN1(&roles, tag.SEQUENCE) {
		return nil, fmt.Errorf("%w: the PSD2 statement is not a PSD2QcType", ErrQCStatements)
	}
	var found PSD2
	for !roles.Empty() {
		role, err := parseRole(&roles)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(found.Roles, role) {
			found.Roles = append(found.Roles, role)
		}
		if len(found.Roles) > maxRoles {
			return nil, fmt.Errorf("%w: more than %d roles", ErrQCStatements, maxRoles)
		}
	}
	if len(found.Roles) == 0 {
		return nil, fmt.Errorf("%w: a PSD2 statement without roles", ErrQCStatements)
	}
	if !readText(&body, &found.AuthorityName) || !readText(&body, &found.AuthorityID) || !body.Empty() {
		return nil, fmt.Errorf("%w: the competent authority is not two texts", ErrQCStatements)
	}
	return &found, nil
}

// parseRole reads RoleOfPSP ::= SEQUENCE { roleOfPspOid, roleOfPspName }. The identifier decides.
func parseRole(roles *cryptobyte.String) (string, error) {
	var role cryptobyte.String
	var id asn1.ObjectIdentifier
	var text string
	if !roles.ReadASN1(&role, tag.SEQUENCE) || !role.ReadASN1ObjectIdentifier(&id) || !readText(&role, &text) || !role.Empty() {
		return "", fmt.Errorf("%w: a role is not an identifier and a name", ErrQCStatements)
	}
	name := roleName(id)
	if name == "" {
		if slices.Contains(roleNames[:], text) {
			return "", fmt.Errorf("%w: role %s is not %s", ErrQCStatements, id, text)
		}
		return id.String(), nil
	}
	if text != name {
		return "", fmt.Errorf("%w: the name of role %s is not %s", ErrQCStatements, id, name)
	}
	return name, nil
}

func roleName(id asn1.ObjectIdentifier) string {
	last := len(oidPSD2Role)
	if len(id) != last+1 || !id[:last].Equal(oidPSD2Role) || id[last] <= 0 || id[last] >= len(roleNames) {
		return ""
	}
	return roleNames[id[last]]
}

func readText(s *cryptobyte.String, out *string) bool {
	var text cryptobyte.String
	if !s.ReadASN1(&text, tag.UTF8String) || !validText(string(text)) {
		return false
	}
	*out = string(text)
	return true
}

func validText(text string) bool {
	return text != "" && utf8.ValidString(text) && utf8.RuneCountInString(text) <= maxPSD2Text
}

// MarshalQCStatements makes the value of a QCStatements extension as a QWAC carries it: the certificate type "web"
// and the PSD2 statement. Roles must be known ones; texts are 1 to 256 characters.
func MarshalQCStatements(psd2 PSD2) ([]byte, error) {
	if len(psd2.Roles) == 0 || len(psd2.Roles) > maxRoles {
		return nil, fmt.Errorf("a PSD2 statement has 1 to %d roles", maxRoles)
	}
	if !validText(psd2.AuthorityName) || !validText(psd2.AuthorityID) {
		return nil, fmt.Errorf("the competent authority's name and identifier are 1 to %d characters", maxPSD2Text)
	}
	arcs := make([]int, len(psd2.Roles))
	for i, role := range psd2.Roles {
		if arcs[i] = slices.Index(roleNames[:], role); role == "" || arcs[i] < 0 {
			return nil, fmt.Errorf("unknown PSD2 role %q", role)
		}
	}
	var b cryptobyte.Builder
	sequence := func(in *cryptobyte.Builder, fill cryptobyte.BuilderContinuation) { in.AddASN1(tag.SEQUENCE, fill) }
	text := func(in *cryptobyte.Builder, s string) {
		in.AddASN1(tag.UTF8String, func(c *cryptobyte.Builder) { c.AddBytes([]byte(s)) })
	}
	sequence(&b, func(statements *cryptobyte.Builder) {
		sequence(statements, func(s *cryptobyte.Builder) {
			s.AddASN1ObjectIdentifier(oidQcType)
			sequence(s, func(types *cryptobyte.Builder) { types.AddASN1ObjectIdentifier(oidQcTypeWeb) })
		})
		sequence(statements, func(s *cryptobyte.Builder) {
			s.AddASN1ObjectIdentifier(oidPSD2)
			sequence(s, func(body *cryptobyte.Builder) {
				sequence(body, func(roles *cryptobyte.Builder) {
					for i, arc := range arcs {
						sequence(roles, func(r *cryptobyte.Builder) {
							r.AddASN1ObjectIdentifier(append(slices.Clone(oidPSD2Role), arc))
							text(r, psd2.Roles[i])
						})
					}
				})
				text(body, psd2.AuthorityName)
				text(body, psd2.AuthorityID)
			})
		})
	})
	return b.Bytes()
}

// PSD2Of reads the certificate's PSD2 statement: nil, nil when it has none, ErrQCStatements when it is malformed
// or when the extension occurs twice. It says nothing about trust: verify the certificate first.
func PSD2Of(cert *x509.Certificate) (*PSD2, error) {
	if cert == nil {
		return nil, nil
	}
	var value []byte
	for _, extension := range cert.Extensions {
		if !extension.Id.Equal(oidQCStatements) {
			continue
		}
		if value != nil {
			return nil, fmt.Errorf("%w: the extension occurs twice", ErrQCStatements)
		}
		value = extension.Value
	}
	if value == nil {
		return nil, nil
	}
	return ParseQCStatements(value)
}

// OrganizationID is the subject's organizationIdentifier (2.5.4.97; "PSDDE-BAFIN-123456", ETSI TS 119 495 section
// 5.2.1). It is empty when there is none, and when there are two, because then neither is the certificate's.
func OrganizationID(cert *x509.Certificate) string {
	if cert == nil {
		return ""
	}
	found := ""
	for _, name := range cert.Subject.Names {
		text, ok := name.Value.(string)
		if !name.Type.Equal(oidOrganization) || !ok {
			continue
		}
		if found != "" {
			return ""
		}
		found = text
	}
	return found
}
