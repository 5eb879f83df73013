package provider

import (
	"context"
	"time"

	"signet/policy"
	"signet/provider/keys"
	"signet/provider/oauth"
	"signet/provider/telemetry"
	"signet/provider/token"
)

// Observe returns the dependencies with each part measured and, within a traced request, a span of its own. The
// features know nothing of it.
func Observe(deps Deps, t *telemetry.Telemetry) Deps {
	deps.Store = observedStore{deps.Store, t}
	deps.Keys = observedKeys{deps.Keys, t}
	deps.Sealer = observedSealer{deps.Sealer, t}
	deps.Policy = observedPolicy{deps.Policy, t}
	deps.Fetch = observedFetch{deps.Fetch, t}
	deps.Audit = observedAudit{deps.Audit, t}
	return deps
}

type observedStore struct {
	Store
	t *telemetry.Telemetry
}

// Commit implements token.Committer, and counts the audit entries that it has made durable.
func (s observedStore) Commit(ctx context.Context, changes ...oauth.Change) error {
	inner, part := s.t.Begin(ctx, telemetry.CommitDuration, telemetry.SpanCommit)
	err := s.Store.Commit(inner, changes...)
	outcome := telemetry.OutcomeOf(err)
	part.End(outcome)
	switch outcome {
	case telemetry.OK:
		for _, change := range changes {
			if record, ok := change.(oauth.RecordAudit); ok {
				s.t.Count(telemetry.AuditEvents, record.Entry.Event)
			}
		}
	case telemetry.Conflict:
		blame(ctx, telemetry.ReasonReplay)
	default:
		blameFor(ctx, outcome, telemetry.ReasonStore)
	}
	return err
}

// observedRead measures one reading operation of the store.
func observedRead[K, V any](ctx context.Context, t *telemetry.Telemetry, operation string, key K, read func(context.Context, K) (V, error)) (V, error) {
	inner, part := t.Begin(ctx, telemetry.ReadDuration, telemetry.SpanRead)
	value, err := read(inner, key)
	outcome := telemetry.OutcomeOf(err)
	part.Set(telemetry.AttrOperation, operation)
	part.End(operation, outcome)
	blameFor(ctx, outcome, telemetry.ReasonStore)
	return value, err
}

// Client implements clientauth.Clients.
func (s observedStore) Client(ctx context.Context, id string) (*oauth.Client, error) {
	return observedRead(ctx, s.t, "client", id, s.Store.Client)
}

// User implements token.UserStore.
func (s observedStore) User(ctx context.Context, id string) (oauth.User, error) {
	return observedRead(ctx, s.t, "user", id, s.Store.User)
}

// UserByName implements interaction.Users.
func (s observedStore) UserByName(ctx context.Context, name string) (oauth.User, error) {
	return observedRead(ctx, s.t, "user_by_name", name, s.Store.UserByName)
}

// Code implements token.CodeStore.
func (s observedStore) Code(ctx context.Context, digest oauth.Digest) (oauth.AuthorizationCode, error) {
	return observedRead(ctx, s.t, "code", digest, s.Store.Code)
}

// RefreshToken implements token.RefreshStore.
func (s observedStore) RefreshToken(ctx context.Context, digest oauth.Digest) (oauth.RefreshToken, error) {
	return observedRead(ctx, s.t, "refresh_token", digest, s.Store.RefreshToken)
}

// OpaqueToken implements issue.TokenStore.
func (s observedStore) OpaqueToken(ctx context.Context, digest oauth.Digest) (oauth.OpaqueToken, error) {
	return observedRead(ctx, s.t, "opaque_token", digest, s.Store.OpaqueToken)
}

// Session implements session.Store.
func (s observedStore) Session(ctx context.Context, digest oauth.Digest) (oauth.Session, error) {
	return observedRead(ctx, s.t, "session", digest, s.Store.Session)
}

// Interaction implements authorize.Store.
func (s observedStore) Interaction(ctx context.Context, digest oauth.Digest) (oauth.Interaction, error) {
	return observedRead(ctx, s.t, "interaction", digest, s.Store.Interaction)
}

// Pushed implements authorize.Store.
func (s observedStore) Pushed(ctx context.Context, digest oauth.Digest) (oauth.PushedRequest, error) {
	return observedRead(ctx, s.t, "pushed", digest, s.Store.Pushed)
}

// Grant implements authorize.Store.
func (s observedStore) Grant(ctx context.Context, id string) (oauth.Grant, error) {
	return observedRead(ctx, s.t, "grant", id, s.Store.Grant)
}

// Backchannel implements ciba.Store.
func (s observedStore) Backchannel(ctx context.Context, digest oauth.Digest) (oauth.Backchannel, error) {
	return observedRead(ctx, s.t, "backchannel", digest, s.Store.Backchannel)
}

// Nonce implements binding.NonceStore.
func (s observedStore) Nonce(ctx context.Context, nonce string) (time.Time, error) {
	return observedRead(ctx, s.t, "nonce", nonce, s.Store.Nonce)
}

// Revoked implements issue.TokenStore.
func (s observedStore) Revoked(ctx context.Context, jti, grantID string) (bool, error) {
	return observedRead(ctx, s.t, "revoked", jti, func(ctx context.Context, jti string) (bool, error) {
		return s.Store.Revoked(ctx, jti, grantID)
	})
}

// Consent implements authorize.Store.
func (s observedStore) Consent(ctx context.Context, userID, clientID string) (oauth.Consent, error) {
	return observedRead(ctx, s.t, "consent", userID, func(ctx context.Context, userID string) (oauth.Consent, error) {
		return s.Store.Consent(ctx, userID, clientID)
	})
}

type observedKeys struct {
	Keys
	t *telemetry.Telemetry
}

// Sign implements keys.Signer.
func (k observedKeys) Sign(ctx context.Context, alg, typ string, payload []byte) (string, error) {
	inner, part := k.t.Begin(ctx, telemetry.SignDuration, telemetry.SpanSign)
	compact, err := k.Keys.Sign(inner, alg, typ, payload)
	outcome := telemetry.OutcomeOf(err)
	part.Set(telemetry.AttrAlg, alg)
	part.End(alg, outcome)
	blameFor(ctx, outcome, telemetry.ReasonSigning)
	return compact, err
}

type observedSealer struct {
	keys.Sealer
	t *telemetry.Telemetry
}

// Seal implements keys.Sealer.
func (s observedSealer) Seal(ctx context.Context, plaintext, about []byte) ([]byte, error) {
	return s.observe(ctx, "seal", plaintext, about, s.Sealer.Seal)
}

// Open implements keys.Sealer.
func (s observedSealer) Open(ctx context.Context, sealed, about []byte) ([]byte, error) {
	return s.observe(ctx, "open", sealed, about, s.Sealer.Open)
}

func (s observedSealer) observe(ctx context.Context, operation string, in, about []byte, do func(ctx context.Context, in, about []byte) ([]byte, error)) ([]byte, error) {
	inner, part := s.t.Begin(ctx, telemetry.SealDuration, telemetry.SpanSeal)
	out, err := do(inner, in, about)
	outcome := telemetry.OutcomeOf(err)
	part.Set(telemetry.AttrOperation, operation)
	part.End(operation, outcome)
	blameFor(ctx, outcome, telemetry.ReasonSigning)
	return out, err
}

type observedPolicy struct {
	token.Policy
	t *telemetry.Telemetry
}

// Decide implements token.Policy. Its input is also where the request's grant, client and method are known.
func (p observedPolicy) Decide(ctx context.Context, in policy.Input) (policy.Decision, error) {
	inner, part := p.t.Begin(ctx, telemetry.PolicyDuration, telemetry.SpanPolicy)
	decision, err := p.Policy.Decide(inner, in)
	outcome := telemetry.OutcomeOf(err)
	switch {
	case err != nil && outcome != telemetry.Canceled:
		outcome = telemetry.Failed
		blame(ctx, telemetry.ReasonPolicyDown)
	case err != nil:
		blame(ctx, telemetry.ReasonCanceled)
	case !decision.Allowed():
		outcome = telemetry.Denied
		blame(ctx, telemetry.ReasonPolicy)
		if len(decision.Denials) > 0 {
			p.t.Count(telemetry.PolicyDenials, decision.Denials[0].Decision)
		}
	}
	part.Set(telemetry.AttrDecision, decision.ID)
	part.End(outcome)
	decided(ctx, in, decision.ID)
	return decision, err
}

type observedFetch struct {
	Fetcher
	t *telemetry.Telemetry
}

// Cached implements clientauth.Fetcher.
func (f observedFetch) Cached(ctx context.Context, url, accept string, maxAge time.Duration) ([]byte, error) {
	return f.observe(ctx, "cached", func(ctx context.Context) ([]byte, error) { return f.Fetcher.Cached(ctx, url, accept, maxAge) })
}

// Refresh implements clientauth.Fetcher.
func (f observedFetch) Refresh(ctx context.Context, url, accept string) ([]byte, error) {
	return f.observe(ctx, "refresh", func(ctx context.Context) ([]byte, error) { return f.Fetcher.Refresh(ctx, url, accept) })
}

func (f observedFetch) observe(ctx context.Context, operation string, fetch func(context.Context) ([]byte, error)) ([]byte, error) {
	inner, part := f.t.Begin(ctx, telemetry.FetchDuration, telemetry.SpanFetch)
	body, err := fetch(inner)
	outcome := telemetry.OutcomeOf(err)
	part.Set(telemetry.AttrOperation, operation)
	part.End(operation, outcome)
	blameFor(ctx, outcome, telemetry.ReasonFetch)
	return body, err
}

type observedAudit struct {
	token.Auditor
	t *telemetry.Telemetry
}

// Add implements token.Auditor.
func (a observedAudit) Add(ctx context.Context, entry oauth.AuditEntry) error {
	inner, part := a.t.Begin(ctx, telemetry.AuditDuration, telemetry.SpanAudit)
	err := a.Auditor.Add(inner, entry)
	outcome := telemetry.OutcomeOf(err)
	part.End(outcome)
	if err == nil {
		a.t.Count(telemetry.AuditEvents, entry.Event)
	}
	blameFor(ctx, outcome, telemetry.ReasonAudit)
	return err
}
