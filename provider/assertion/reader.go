package assertion

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"signet/provider/assertion/saml"
	"signet/provider/jose"
	"signet/provider/oauth"
)

// Reader reads assertions. It is safe for concurrent use.
type Reader struct {
	deps    Deps
	issuers map[string]*trusted
}

// trusted is an issuer with its keys.
type trusted struct {
	Issuer
	keys *keySource
}

// New makes a Reader. It fails, naming everything that is missing or wrong.
func New(d Deps) (*Reader, error) {
	if err := d.validate(); err != nil {
		return nil, err
	}
	r := &Reader{deps: d, issuers: make(map[string]*trusted, len(d.Issuers))}
	for _, issuer := range d.Issuers {
		keys, err := newKeySource(issuer, d)
		if err != nil {
			return nil, err
		}
		if issuer.MaxLifetime == 0 {
			issuer.MaxLifetime = DefaultLifetime
		}
		r.issuers[issuer.ID] = &trusted{issuer, keys}
	}
	return r, nil
}

// source is whose assertion it claims to be: a configured issuer's, or the client's own.
type source struct {
	issuer *trusted // nil = the client itself
	client *oauth.Client
	use    string
	// profile is what the client is held to.
	profile oauth.Profile
}

// find returns whose the assertion can be, and refuses one that may not be used here. Who the issuer is has not been
// proved yet.
func (r *Reader) find(client *oauth.Client, issuer, use string) (source, error) {
	profile, known := r.deps.Floor.For(client)
	if !known || !slices.Contains(uses, use) {
		return source{}, errors.New("assertion: an unknown profile or use")
	}
	s := source{client: client, use: use, profile: profile}
	t := r.issuers[issuer]
	switch {
	case t == nil && issuer == client.ID && r.deps.SelfIssued && !client.Public(): // nobody vouches for a public client's keys
		return s, nil
	case t == nil:
		return source{}, refuse("is not from an issuer that is known here", nil)
	case t.Uses != nil && !slices.Contains(t.Uses, use):
		return source{}, refuse("is from an issuer whose assertions do not count for this grant_type", nil)
	case t.Clients != nil && !slices.Contains(t.Clients, client.ID):
		return source{}, refuse("is from an issuer whose assertions this client may not present", nil)
	}
	s.issuer = t
	return s, nil
}

// algorithms are those that count.
func (s source) algorithms(all []string) []string {
	if s.issuer != nil && len(s.issuer.Algorithms) > 0 {
		return s.issuer.Algorithms
	}
	return all
}

func (s source) maxLifetime() time.Duration {
	if s.issuer == nil {
		return DefaultLifetime
	}
	return s.issuer.MaxLifetime
}

// audiences are the names of this server in an assertion of the source. only is the one that it must have, and no other,
// where a profile wants that of what a client signs (FAPI 2.0 section 5.3.2.1).
func (r *Reader) audiences(s source) (all []string, only string) {
	if s.issuer == nil && s.profile.AssertionAudienceIssuerOnly {
		return []string{r.deps.Issuer}, r.deps.Issuer
	}
	all = append([]string{r.deps.Issuer}, r.deps.Endpoints...)
	if s.issuer != nil {
		all = append(all, s.issuer.Audiences...)
	}
	return all, ""
}

// about fills in whom the assertion is about, and on whose word.
func (r *Reader) about(ctx context.Context, s source, subject string, into Asserted) (Asserted, error) {
	if s.issuer != nil {
		into.Scope = s.issuer.Scope
		return r.named(ctx, s.issuer.Subject, subject, into)
	}
	into.SelfIssued, into.ACR, into.AMR = true, "", nil
	switch {
	case subject == s.client.ID:
		return into, nil
	case !s.client.Trusts(s.use):
		return Asserted{}, refuse("is about a user, and this client is not trusted to name users", nil)
	}
	return r.named(ctx, BySubject, subject, into)
}

// errUser is why an assertion named nobody; for the log only.
var errUser = errors.New("it names no account that accepts this login")

func (r *Reader) named(ctx context.Context, kind SubjectKind, name string, into Asserted) (Asserted, error) {
	find := r.deps.Users.User
	if kind == ByUsername {
		find, name = r.deps.Users.UserByName, strings.TrimSpace(name)
	}
	nobody := refuse("names no user who can log in here", errUser)
	if name == "" || len(name) > maxName {
		return Asserted{}, nobody
	}
	user, err := find(ctx, name)
	if errors.Is(err, oauth.ErrNotFound) || err == nil && (user.ID == "" || !user.Accepts(into.AuthTime)) {
		return Asserted{}, nobody
	}
	if err != nil {
		return Asserted{}, err
	}
	into.User = user
	return into, nil
}

// blamed turns the error of a signature that could not be checked into what the client hears.
func blamed(err error) *oauth.Error {
	for _, theirs := range []error{
		jose.ErrMalformed, jose.ErrAlgorithm, jose.ErrUnknownKey, jose.ErrSignature, saml.ErrMalformed, saml.ErrAlgorithm, saml.ErrSignature,
	} {
		if errors.Is(err, theirs) && !errors.Is(err, errNoKeys) {
			return refuse("is not signed by its issuer", err)
		}
	}
	if fault := (*oauth.Error)(nil); errors.As(err, &fault) {
		return refuse("is not signed by its issuer", err)
	}
	return unavailable(err)
}
