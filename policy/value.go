package policy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
)

// The keys of the input document, made once: terms are immutable and shared by all evaluations.
var (
	keyRequest     = ast.StringTerm("request")
	keyClient      = ast.StringTerm("client")
	keyCertificate = ast.StringTerm("certificate")
	keySender      = ast.StringTerm("sender")
	keySubject     = ast.StringTerm("subject")
	keyGrant       = ast.StringTerm("grant")
	keyToken       = ast.StringTerm("token")

	keyRegistration = ast.StringTerm("registration")
	keyAction       = ast.StringTerm("action")
	keyAdmittedBy   = ast.StringTerm("admitted_by")
	keyMetadata     = ast.StringTerm("metadata")
	keyStatement    = ast.StringTerm("software_statement")
	keyClaims       = ast.StringTerm("claims")

	keyID         = ast.StringTerm("id")
	keyDoor       = ast.StringTerm("door")
	keyTime       = ast.StringTerm("time")
	keyUnix       = ast.StringTerm("unix")
	keyProfile    = ast.StringTerm("profile")
	keyName       = ast.StringTerm("name")
	keyAuthMethod = ast.StringTerm("auth_method")
	keyGrantTypes = ast.StringTerm("grant_types")
	keyScope      = ast.StringTerm("scope")
	keyResources  = ast.StringTerm("resources")

	keyIssuer         = ast.StringTerm("issuer")
	keyThumbprint     = ast.StringTerm("thumbprint")
	keyTrusted        = ast.StringTerm("trusted")
	keyOrganizationID = ast.StringTerm("organization_id")
	keyPSD2           = ast.StringTerm("psd2")
	keyRoles          = ast.StringTerm("roles")
	keyAuthorityName  = ast.StringTerm("authority_name")
	keyAuthorityID    = ast.StringTerm("authority_id")

	keyMethod    = ast.StringTerm("method")
	keyDetails   = ast.StringTerm("authorization_details")
	keyKind      = ast.StringTerm("kind")
	keyACR       = ast.StringTerm("acr")
	keyAMR       = ast.StringTerm("amr")
	keyAuthTime  = ast.StringTerm("auth_time")
	keyType      = ast.StringTerm("type")
	keyRequested = ast.StringTerm("requested")
	keyFormat    = ast.StringTerm("format")
	keyLifetime  = ast.StringTerm("lifetime")
)

// value builds the input document without a detour through JSON, which would cost more than the decision.
// It fails when an element of Details, or what a registration says, is not JSON.
func (in *Input) value() (ast.Value, error) {
	terms := slab{make([]ast.Term, 0, in.size())}
	grant, err := in.Grant.term(&terms)
	if err != nil {
		return nil, err
	}
	registration, err := in.Registration.term(&terms)
	if err != nil {
		return nil, err
	}
	return ast.NewObject(
		ast.Item(keyRequest, in.Request.term(&terms)),
		ast.Item(keyClient, in.Client.term(&terms)),
		ast.Item(keyCertificate, in.Certificate.term(&terms)),
		ast.Item(keySender, in.Sender.term(&terms)),
		ast.Item(keySubject, in.Subject.term(&terms)),
		ast.Item(keyGrant, grant),
		ast.Item(keyToken, in.Token.term(&terms)),
		ast.Item(keyRegistration, registration),
	), nil
}

// size is how many terms value needs at most.
func (in *Input) size() int {
	n := 48 + len(in.Client.GrantTypes) + len(in.Client.Scope) + len(in.Client.Resources) + len(in.Client.Introspects) +
		len(in.Client.TrustedFor) + len(in.Subject.AMR) + in.Grant.size()
	if in.Certificate != nil && in.Certificate.PSD2 != nil {
		n += len(in.Certificate.PSD2.Roles)
	}
	return n
}

// slab hands out terms from one allocation.
type slab struct{ terms []ast.Term }

func (s *slab) term(value ast.Value) *ast.Term {
	s.terms = append(s.terms, ast.Term{Value: value})
	return &s.terms[len(s.terms)-1]
}

func (s *slab) object(items ...[2]*ast.Term) *ast.Term { return s.term(ast.NewObject(items...)) }

// text avoids an allocation for the words that OPA or this package keep interned.
func (s *slab) text(text string) *ast.Term {
	if text == "" {
		return ast.InternedEmptyString
	}
	if word, ok := words[text]; ok {
		return word
	}
	return s.term(ast.String(text))
}

func (s *slab) integer(n int64) *ast.Term {
	if n >= 0 && n < 256 {
		return ast.InternedTerm(n)
	}
	return s.term(ast.Number(strconv.FormatInt(n, 10)))
}

func (s *slab) list(texts []string) *ast.Term {
	if len(texts) == 0 {
		return ast.InternedEmptyArray
	}
	terms := make([]*ast.Term, len(texts))
	for i, text := range texts {
		terms[i] = s.text(text)
	}
	return s.term(ast.NewArray(terms...))
}

// words are values that most requests carry.
var words = func() map[string]*ast.Term {
	terms := map[string]*ast.Term{}
	for _, word := range []string{
		"main", "mtls", "dpop", "openid", "fapi1-advanced", "fapi2-security", "fapi2-message-signing", "fapi-ciba", SubjectClient, SubjectUser, "jwt", "opaque",
		"client_credentials", "authorization_code", "implicit", "refresh_token", "urn:openid:params:grant-type:ciba",
		"password", "urn:ietf:params:oauth:grant-type:device_code", "urn:ietf:params:oauth:grant-type:token-exchange",
		"urn:ietf:params:oauth:grant-type:jwt-bearer", "urn:ietf:params:oauth:grant-type:saml2-bearer",
		"urn:ietf:params:oauth:token-type:access_token",
		"none", "client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt",
		"tls_client_auth", "self_signed_tls_client_auth",
		"profile", "email", "address", "phone", "offline_access", "accounts", "payments",
		"PSP_AS", "PSP_PI", "PSP_AI", "PSP_IC", "pwd",
	} {
		terms[word] = ast.StringTerm(word)
	}
	return terms
}()

func (r *Request) term(s *slab) *ast.Term {
	return s.object(
		ast.Item(keyID, s.text(r.ID)),
		ast.Item(keyDoor, s.text(r.Door)),
		ast.Item(keyTime, s.text(r.Time.UTC().Format(time.RFC3339))),
		ast.Item(keyUnix, s.integer(r.Time.Unix())),
		ast.Item(keyProfile, s.text(r.Profile)),
	)
}

func (c *Client) term(s *slab) *ast.Term {
	return s.object(
		ast.Item(keyID, s.text(c.ID)),
		ast.Item(keyName, s.text(c.Name)),
		ast.Item(keyAuthMethod, s.text(c.AuthMethod)),
		ast.Item(keyGrantTypes, s.list(c.GrantTypes)),
		ast.Item(keyScope, s.list(c.Scope)),
		ast.Item(keyResources, s.list(c.Resources)),
		ast.Item(keyIntrospects, s.list(c.Introspects)),
		ast.Item(keyTrustedFor, s.list(c.TrustedFor)),
	)
}

func (c *Certificate) term(s *slab) *ast.Term {
	if c == nil {
		return ast.InternedNullTerm
	}
	return s.object(
		ast.Item(keySubject, s.text(c.Subject)),
		ast.Item(keyIssuer, s.text(c.Issuer)),
		ast.Item(keyThumbprint, s.text(c.Thumbprint)),
		ast.Item(keyTrusted, ast.InternedTerm(c.Trusted)),
		ast.Item(keyOrganizationID, s.text(c.OrganizationID)),
		ast.Item(keyPSD2, c.PSD2.term(s)),
	)
}

func (p *PSD2) term(s *slab) *ast.Term {
	if p == nil {
		return ast.InternedNullTerm
	}
	return s.object(
		ast.Item(keyRoles, s.list(p.Roles)),
		ast.Item(keyAuthorityName, s.text(p.AuthorityName)),
		ast.Item(keyAuthorityID, s.text(p.AuthorityID)),
	)
}

func (x *Sender) term(s *slab) *ast.Term {
	method := x.Method
	if method == "" {
		method = SenderNone
	}
	return s.object(
		ast.Item(keyMethod, s.text(method)),
		ast.Item(keyThumbprint, s.text(x.Thumbprint)),
	)
}

func (u *Subject) term(s *slab) *ast.Term {
	return s.object(
		ast.Item(keyKind, s.text(u.Kind)),
		ast.Item(keyID, s.text(u.ID)),
		ast.Item(keyACR, s.text(u.ACR)),
		ast.Item(keyAMR, s.list(u.AMR)),
		ast.Item(keyAuthTime, s.integer(u.AuthTime)),
	)
}

// documents takes in JSON texts as they are; numbers keep their digits.
func (s *slab) documents(texts []json.RawMessage) (*ast.Term, error) {
	if len(texts) == 0 {
		return ast.InternedEmptyArray, nil
	}
	terms := make([]*ast.Term, len(texts))
	for i, text := range texts {
		var err error
		if terms[i], err = document(text); err != nil {
			return nil, fmt.Errorf("policy input: authorization_details: %w", err)
		}
	}
	return s.term(ast.NewArray(terms...)), nil
}

func document(text json.RawMessage) (*ast.Term, error) {
	value, err := ast.ValueFromReader(bytes.NewReader(text))
	return ast.NewTerm(value), err
}

func (r *Registration) term(s *slab) (*ast.Term, error) {
	if r == nil {
		return ast.InternedNullTerm, nil
	}
	metadata, err := document(r.Metadata)
	if err != nil {
		return nil, fmt.Errorf("policy input: registration metadata: %w", err)
	}
	statement := ast.InternedNullTerm
	if r.SoftwareStatement != nil {
		claims, err := document(r.SoftwareStatement.Claims)
		if err != nil {
			return nil, fmt.Errorf("policy input: software statement: %w", err)
		}
		statement = s.object(ast.Item(keyIssuer, s.text(r.SoftwareStatement.Issuer)), ast.Item(keyClaims, claims))
	}
	return s.object(
		ast.Item(keyAction, s.text(r.Action)),
		ast.Item(keyAdmittedBy, s.text(r.AdmittedBy)),
		ast.Item(keyMetadata, metadata),
		ast.Item(keyStatement, statement),
	), nil
}

func (t *Token) term(s *slab) *ast.Term {
	return s.object(
		ast.Item(keyFormat, s.text(t.Format)),
		ast.Item(keyLifetime, s.integer(t.Lifetime)),
	)
}
