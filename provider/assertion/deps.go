package assertion

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"signet/provider/assertion/saml"
	"signet/provider/jose"
	"signet/provider/oauth"
)

// Users finds accounts. Both return oauth.ErrNotFound, wrapped, for one that does not exist.
type Users interface {
	User(ctx context.Context, id string) (oauth.User, error)
	UserByName(ctx context.Context, username string) (oauth.User, error)
}

// Fetcher reads what issuers publish, through the one guarded outbound client.
type Fetcher interface {
	// Cached may answer from a cache no older than maxAge.
	Cached(ctx context.Context, url, accept string, maxAge time.Duration) ([]byte, error)
	// Refresh asks again, at a bounded rate.
	Refresh(ctx context.Context, url, accept string) ([]byte, error)
}

// ClientKeys check what clients have signed. Errors that wrap one of package jose's or saml's, and *[oauth.Error]s, are the
// client's fault; any other means that its keys cannot be had now.
type ClientKeys interface {
	VerifySigned(ctx context.Context, c *oauth.Client, compact string, algs []string) (jose.Verified, error)
	VerifySAML(ctx context.Context, c *oauth.Client, d *saml.Document, algs []string, now time.Time) (saml.Assertion, error)
}

// SubjectKind is what the subject of an assertion names an account by.
type SubjectKind string

// The kinds of subject. An empty one is BySubject.
const (
	BySubject  SubjectKind = "sub"
	ByUsername SubjectKind = "username"
)

// Issuer is one whose assertions count.
type Issuer struct {
	// ID is "iss", or the Issuer of a SAML assertion, exactly.
	ID string
	// JWKS or JWKSURI, of which at most one may be set, are the keys of its JWTs. Without either, none counts.
	JWKS    []byte
	JWKSURI string
	// Certificates are the keys of its SAML assertions, each while it is valid. Without any, none counts.
	Certificates []*x509.Certificate
	// Algorithms are those of its signatures, by their JOSE names: RS256 stands for RSA-SHA256 in XML, too. nil = all. Of
	// JWTs only those count that the client's profile has, of SAML assertions only [saml.Algorithms].
	Algorithms []string
	// Uses are the grant types at which its assertions count; nil = all three.
	Uses    []string
	Subject SubjectKind
	// Audiences are names of this server that count beside the issuer identifier and the token endpoint's URLs.
	Audiences []string
	// Scope bounds what can be made of its assertions.
	Scope oauth.Scope
	// Clients may present them; nil = all.
	Clients []string
	// MaxLifetime is how long its assertions may live; 0 = DefaultLifetime.
	MaxLifetime time.Duration
}

// Lifetimes of assertions.
const (
	DefaultLifetime = 10 * time.Minute
	MaxLifetime     = time.Hour
)

// Deps is what a Reader works with. Issuer, Endpoints, Floor and Users are always required; Fetch with an issuer that has
// a JWKSURI; Clients with SelfIssued.
type Deps struct {
	Issuer    string   // the issuer identifier of this server
	Endpoints []string // the token endpoint's URLs at both doors
	Floor     oauth.Profile
	Users     Users
	Issuers   []Issuer
	Fetch     Fetcher
	// KeysMaxAge is how old what a JWKSURI answered may be; 0 = it is read again for each assertion.
	KeysMaxAge time.Duration
	// SelfIssued lets clients issue assertions themselves (RFC 7521 section 3): about themselves, and about users where the
	// client is trusted for that (see [oauth.Client.Trusts]).
	SelfIssued bool
	Clients    ClientKeys
}

// Uses are the grant types at which assertions are read.
var uses = []string{oauth.GrantJWTBearer, oauth.GrantSAML2Bearer, oauth.GrantTokenExchange}

func (d Deps) validate() error {
	var faults []error
	need := func(ok bool, what string) {
		if !ok {
			faults = append(faults, errors.New("assertion: "+what))
		}
	}
	need(d.Issuer != "" && len(d.Endpoints) > 0 && d.Floor.Name != "" && d.Users != nil, "Issuer, Endpoints, Floor and Users are required")
	need(!d.SelfIssued || d.Clients != nil, "SelfIssued needs Clients")
	for i, issuer := range d.Issuers {
		faults = append(faults, d.check(i, issuer))
	}
	return errors.Join(faults...)
}

// check says what is wrong with an issuer.
func (d Deps) check(i int, issuer Issuer) error {
	var faults []error
	need := func(ok bool, what string) {
		if !ok {
			faults = append(faults, fmt.Errorf("assertion: issuer %d (%s): %s", i, issuer.ID, what))
		}
	}
	same := func(other Issuer) bool { return other.ID == issuer.ID }
	need(issuer.ID != "" && issuer.ID != d.Issuer, "it needs a name, which is not this server's")
	need(slices.IndexFunc(d.Issuers, same) == i, "it is there twice")
	need(len(issuer.JWKS) == 0 || issuer.JWKSURI == "", "it has both JWKS and JWKSURI")
	need(len(issuer.JWKS) > 0 || issuer.JWKSURI != "" || len(issuer.Certificates) > 0, "it has neither keys nor certificates")
	need(issuer.JWKSURI == "" || d.Fetch != nil, "a JWKSURI needs Fetch")
	if len(issuer.Algorithms) > 0 {
		jwts, samls := len(issuer.JWKS) > 0 || issuer.JWKSURI != "", len(issuer.Certificates) > 0
		isSAML := func(alg string) bool { return slices.Contains(saml.Algorithms(), alg) }
		need(!jwts || len(d.Floor.Algorithms(issuer.Algorithms)) > 0, "none of its Algorithms is one of the profile's for JWTs")
		need(!samls || slices.ContainsFunc(issuer.Algorithms, isSAML), "none of its Algorithms is one for SAML")
	}
	need(len(issuer.Certificates) <= saml.MaxCertificates, fmt.Sprintf("it has more than %d certificates", saml.MaxCertificates))
	need(issuer.Subject == "" || issuer.Subject == BySubject || issuer.Subject == ByUsername, "its Subject is neither sub nor username")
	need(issuer.MaxLifetime >= 0 && issuer.MaxLifetime <= MaxLifetime, "its MaxLifetime is more than an hour")
	need(len(issuer.Scope) > 0, "it has no Scope: nothing could be made of its assertions")
	for _, use := range issuer.Uses {
		need(slices.Contains(uses, use), "one of its Uses is not a grant type that takes assertions")
	}
	for _, cert := range issuer.Certificates {
		if err := saml.CheckCertificate(cert); err != nil {
			need(false, "a certificate: "+err.Error())
		}
	}
	return errors.Join(faults...)
}
