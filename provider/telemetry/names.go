package telemetry

// This file has the name of everything that is measured and traced. A row here is registered by [New]; dashboards
// and alert rules may use no other signet_ name.

// Name is a metric's name.
type Name string

// What the requests themselves bring forth.
const (
	HTTPRequests      Name = "signet_http_requests_total"
	HTTPDuration      Name = "signet_http_request_duration_seconds"
	HTTPUnderWay      Name = "signet_http_requests_under_way"
	TokensIssued      Name = "signet_tokens_issued_total"
	TokenRefusals     Name = "signet_token_refusals_total" //nolint:gosec // G101 takes the name for a credential
	PolicyDuration    Name = "signet_policy_decision_duration_seconds"
	PolicyDenials     Name = "signet_policy_denials_total"
	SignDuration      Name = "signet_sign_duration_seconds"
	SealDuration      Name = "signet_seal_duration_seconds"
	CommitDuration    Name = "signet_store_commit_duration_seconds"
	ReadDuration      Name = "signet_store_read_duration_seconds"
	AuditDuration     Name = "signet_audit_queue_duration_seconds"
	AuditEvents       Name = "signet_audit_events_total"
	FetchDuration     Name = "signet_fetch_duration_seconds"
	SpansExported     Name = "signet_trace_spans_exported_total"
	SpansExportFailed Name = "signet_trace_spans_failed_total"
)

// What is read where it lives, at each scrape: see [Telemetry.Sample].
const (
	Build              Name = "signet_build_info"
	Backends           Name = "signet_backends_info"
	PolicyRevision     Name = "signet_policy_info"
	Ready              Name = "signet_ready"
	StoreCommits       Name = "signet_store_commits_total"
	StoreTransactions  Name = "signet_store_transactions_total"
	StoreConflicts     Name = "signet_store_conflicts_total"
	StoreRetries       Name = "signet_store_retries_total"
	StoreReconnects    Name = "signet_store_reconnects_total"
	StoreQueue         Name = "signet_store_queue_length"
	ClientCacheHits    Name = "signet_client_cache_hits_total"
	ClientCacheMisses  Name = "signet_client_cache_misses_total"
	TransitSignatures  Name = "signet_transit_signatures_total"
	TransitBatches     Name = "signet_transit_batches_total"
	TransitItems       Name = "signet_transit_items_total"
	TransitFailures    Name = "signet_transit_failures_total"
	VaultBreaker       Name = "signet_vault_breaker_state"
	AuditSpool         Name = "signet_audit_spool_bytes"
	AuditSpoolCapacity Name = "signet_audit_spool_capacity_bytes"
	KeyActiveSince     Name = "signet_signing_key_active_since_timestamp_seconds"
	KeyNextActivation  Name = "signet_signing_key_next_activation_timestamp_seconds"
	KeyRotationDue     Name = "signet_signing_key_rotation_due_timestamp_seconds"
	KeysPublished      Name = "signet_signing_keys"
	CertificateExpiry  Name = "signet_certificate_expiry_timestamp_seconds"
)

// Kind is what a metric counts.
type Kind string

// The kinds.
const (
	Counter   Kind = "counter"
	Gauge     Kind = "gauge"
	Histogram Kind = "histogram" // of seconds
)

// Metric is a row of the table.
type Metric struct {
	Name   Name
	Kind   Kind
	Help   string
	Labels []Label
	// Sampled metrics exist when something is registered to read them, the others from the start.
	Sampled bool
}

// Label is a dimension. A value that is not among Values is counted as "other".
type Label struct {
	Name   string
	Values []string
	// Open says what bounds the values of a label that has none listed.
	Open string
}

// Other stands for every value that is not in a label's list.
const Other = "other"

// None is the error of an answer that is none, and the grant or method of a request that names none.
const None = "none"

// The outcomes of an operation.
const (
	OK          = "ok"
	Conflict    = "conflict"    // another request was first
	NotFound    = "not_found"   // what was looked for is not there
	Denied      = "denied"      // the policy said no
	Unavailable = "unavailable" // the part cannot answer now; the request may be repeated
	Canceled    = "canceled"    // nobody waits for the answer any more, or its time is up
	Failed      = "failed"      // anything else
)

// The reasons for which a token request is refused: where it stopped.
const (
	ReasonRequest    = "request"    // malformed, or a grant, scope or target that is not to be had
	ReasonClient     = "client"     // client authentication
	ReasonCredential = "credential" // the code or refresh token
	ReasonReplay     = "replay"     // a single-use proof or credential lost against its other use
	ReasonPolicy     = "policy"     // denied by a rule
	ReasonPolicyDown = "policy_unavailable"
	ReasonSigning    = "signing_unavailable"
	ReasonStore      = "store_unavailable"
	ReasonAudit      = "audit_unavailable"
	ReasonFetch      = "fetch_unavailable" // a client's jwks_uri
	ReasonCanceled   = "canceled"          // the client did not wait, or the time was up
	ReasonInternal   = "internal"
)

var (
	endpointLabel = Label{Name: "endpoint", Values: []string{
		"token", "introspection", "revocation", "userinfo", "pushed_authorization", "backchannel_authentication",
		"device_authorization", "device", "grants", "registration",
		"authorization", "resume", "login", "consent", "approvals", "pages", "jwks", "metadata", Other,
	}}
	doorLabel   = Label{Name: "door", Values: []string{"main", "mtls"}}
	methodLabel = Label{Name: "method", Values: []string{"GET", "HEAD", "POST", "OPTIONS", Other}}
	statusLabel = Label{Name: "status", Values: []string{
		"200", "201", "204", "301", "302", "303", "304", "400", "401", "403", "404", "405", "406", "413", "415", "429", "431", "500", "503", Other,
	}}
	errorLabel = Label{Name: "error", Values: []string{
		None, "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope",
		"access_denied", "unsupported_response_type", "server_error", "temporarily_unavailable", "invalid_target", "invalid_token",
		"insufficient_scope", "login_required", "consent_required", "interaction_required", "request_not_supported",
		"request_uri_not_supported", "registration_not_supported", "invalid_dpop_proof", "use_dpop_nonce", "invalid_request_uri",
		"invalid_request_object", "invalid_authorization_details", "invalid_grant_id", "unmet_authentication_requirements",
		"insufficient_user_authentication", "authorization_pending", "slow_down", "expired_token", "expired_login_hint_token",
		"unknown_user_id", "missing_user_code", "invalid_user_code", "invalid_binding_message", "invalid_redirect_uri",
		"invalid_client_metadata", "method_not_allowed", "not_found", "payload_too_large", Other,
	}}
	grantLabel = Label{Name: "grant_type", Values: []string{
		"authorization_code", "implicit", "client_credentials", "refresh_token", "urn:openid:params:grant-type:ciba", "password",
		"urn:ietf:params:oauth:grant-type:device_code", "urn:ietf:params:oauth:grant-type:token-exchange",
		"urn:ietf:params:oauth:grant-type:jwt-bearer", "urn:ietf:params:oauth:grant-type:saml2-bearer", Other,
	}}
	authMethodLabel = Label{Name: "auth_method", Values: []string{
		"private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth", "client_secret_basic", "client_secret_post",
		"client_secret_jwt", None, Other,
	}}
	reasonLabel = Label{Name: "reason", Values: []string{
		ReasonRequest, ReasonClient, ReasonCredential, ReasonReplay, ReasonPolicy, ReasonPolicyDown, ReasonSigning, ReasonStore,
		ReasonAudit, ReasonFetch, ReasonCanceled, ReasonInternal, Other,
	}}
	questionLabel = Label{Name: "decision", Values: []string{"client", "grant", "scope", "token", "registration", Other}}
	algLabel      = Label{Name: "alg", Values: []string{"ES256", "PS256", "EdDSA", "RS256", Other}}
	readLabel     = Label{Name: "operation", Values: []string{
		"client", "user", "user_by_name", "code", "refresh_token", "opaque_token", "revoked", "session", "interaction", "consent", Other,
	}}
	sealLabel  = Label{Name: "operation", Values: []string{"seal", "open", Other}}
	fetchLabel = Label{Name: "operation", Values: []string{"cached", "refresh", Other}}
	eventLabel = Label{Name: "event", Values: []string{
		"token.issued", "token.refused", "token.revoked", "code.issued", "code.refused", "code.reused", "refresh.reused", "grant.revoked",
		"login.succeeded", "login.failed", "consent.given", "consent.denied", Other,
	}}
	outcomeLabel = Label{Name: "outcome", Values: []string{OK, Conflict, NotFound, Denied, Unavailable, Canceled, Failed}}

	breakerLabel     = Label{Name: "state", Values: []string{"closed", "half-open", "open", Other}}
	keyStateLabel    = Label{Name: "state", Values: []string{"next", "active", "previous", Other}}
	checkLabel       = Label{Name: "check", Open: "the readiness checks of the program"}
	certificateLabel = Label{Name: "certificate", Open: "the listeners"}
	storeLabel       = Label{Name: "store", Values: []string{"sqlite", "mysql", Other}}
	keysLabel        = Label{Name: "keys", Values: []string{"file", "transit", "vaultkv", Other}}
	versionLabel     = Label{Name: "version", Open: "one per program"}
	revisionLabel    = Label{Name: "revision", Open: "one at a time"}
)

// Metrics returns the table.
func Metrics() []Metric {
	return []Metric{
		{Name: HTTPRequests, Kind: Counter, Help: "Requests answered, by endpoint, door, method, HTTP status and OAuth error code.",
			Labels: []Label{endpointLabel, doorLabel, methodLabel, statusLabel, errorLabel}},
		{Name: HTTPDuration, Kind: Histogram, Help: "Time from a request's headers to the end of its answer.", Labels: []Label{endpointLabel, doorLabel}},
		{Name: HTTPUnderWay, Kind: Gauge, Help: "Requests that are being answered."},
		{Name: TokensIssued, Kind: Counter, Help: "Successful answers of the token endpoint.", Labels: []Label{grantLabel, authMethodLabel}},
		{Name: TokenRefusals, Kind: Counter, Help: "Refusals of the token endpoint, by error code and by where the request stopped.",
			Labels: []Label{errorLabel, reasonLabel}},
		{Name: PolicyDuration, Kind: Histogram, Help: "Time for a policy decision.", Labels: []Label{outcomeLabel}},
		{Name: PolicyDenials, Kind: Counter, Help: "Denials, by the first question that was answered with no.", Labels: []Label{questionLabel}},
		{Name: SignDuration, Kind: Histogram, Help: "Time for a signature, waiting included.", Labels: []Label{algLabel, outcomeLabel}},
		{Name: SealDuration, Kind: Histogram, Help: "Time to encrypt or decrypt a secret at rest.", Labels: []Label{sealLabel, outcomeLabel}},
		{Name: CommitDuration, Kind: Histogram, Help: "Time for a request's commit to be durable, waiting included.", Labels: []Label{outcomeLabel}},
		{Name: ReadDuration, Kind: Histogram, Help: "Time for a read from the store.", Labels: []Label{readLabel, outcomeLabel}},
		{Name: AuditDuration, Kind: Histogram, Help: "Time to keep an audit entry of a request that commits nothing else.", Labels: []Label{outcomeLabel}},
		{Name: AuditEvents, Kind: Counter, Help: "Audit entries kept, by event.", Labels: []Label{eventLabel}},
		{Name: FetchDuration, Kind: Histogram, Help: "Time to read what a client publishes, its cache included.", Labels: []Label{fetchLabel, outcomeLabel}},
		{Name: SpansExported, Kind: Counter, Help: "Spans that the collector took."},
		{Name: SpansExportFailed, Kind: Counter, Help: "Spans lost because the collector did not take them."},

		{Name: Build, Kind: Gauge, Help: "1; the program's version.", Labels: []Label{versionLabel}, Sampled: true},
		{Name: Backends, Kind: Gauge, Help: "1; the store and the key backend.", Labels: []Label{storeLabel, keysLabel}, Sampled: true},
		{Name: PolicyRevision, Kind: Gauge, Help: "1; the revision of the policy in force.", Labels: []Label{revisionLabel}, Sampled: true},
		{Name: Ready, Kind: Gauge, Help: "1 while a readiness check passes, 0 while it fails.", Labels: []Label{checkLabel}, Sampled: true},
		{Name: StoreCommits, Kind: Counter, Help: "Commits that became durable.", Sampled: true},
		{Name: StoreTransactions, Kind: Counter, Help: "Database transactions; one can carry several commits.", Sampled: true},
		{Name: StoreConflicts, Kind: Counter, Help: "Commits that came second.", Sampled: true},
		{Name: StoreRetries, Kind: Counter, Help: "Transactions repeated after a deadlock, a cluster conflict or a lost connection.", Sampled: true},
		{Name: StoreReconnects, Kind: Counter, Help: "Database connections opened in place of lost ones.", Sampled: true},
		{Name: StoreQueue, Kind: Gauge, Help: "Commits that wait for a transaction.", Sampled: true},
		{Name: ClientCacheHits, Kind: Counter, Help: "Clients found in memory.", Sampled: true},
		{Name: ClientCacheMisses, Kind: Counter, Help: "Clients read from the database.", Sampled: true},
		{Name: TransitSignatures, Kind: Counter, Help: "Signatures that Vault transit made.", Sampled: true},
		{Name: TransitBatches, Kind: Counter, Help: "Signing requests to Vault transit.", Sampled: true},
		{Name: TransitItems, Kind: Counter, Help: "Items in all signing requests to Vault transit.", Sampled: true},
		{Name: TransitFailures, Kind: Counter, Help: "Signatures that Vault transit did not make.", Sampled: true},
		{Name: VaultBreaker, Kind: Gauge, Help: "1 for the state that the circuit breaker before Vault is in, 0 for the others.", Labels: []Label{breakerLabel}, Sampled: true},
		{Name: AuditSpool, Kind: Gauge, Help: "Audit entries on disk that wait for the database.", Sampled: true},
		{Name: AuditSpoolCapacity, Kind: Gauge, Help: "Size at which the audit spool is full and requests are refused.", Sampled: true},
		{Name: KeyActiveSince, Kind: Gauge, Help: "Since when the signing key signs.", Labels: []Label{algLabel}, Sampled: true},
		{Name: KeyNextActivation, Kind: Gauge, Help: "When the next signing key takes over; absent while there is none.", Labels: []Label{algLabel}, Sampled: true},
		{Name: KeyRotationDue, Kind: Gauge, Help: "When a new signing key is due by keys.rotate_every; absent when that is 0.", Labels: []Label{algLabel}, Sampled: true},
		{Name: KeysPublished, Kind: Gauge, Help: "Signing keys in the JWKS.", Labels: []Label{algLabel, keyStateLabel}, Sampled: true},
		{Name: CertificateExpiry, Kind: Gauge, Help: "When a listener's certificate expires.", Labels: []Label{certificateLabel}, Sampled: true},
	}
}

// Span is a span's name.
type Span string

// The spans. A request's own is SpanRequest with the endpoint's name behind it; the others are within it.
const (
	SpanRequest Span = "http."
	SpanRead    Span = "store.read"
	SpanCommit  Span = "store.commit"
	SpanPolicy  Span = "policy.decide"
	SpanSign    Span = "keys.sign"
	SpanSeal    Span = "keys.seal"
	SpanAudit   Span = "audit.add"
	SpanFetch   Span = "fetch"
)

// Spans returns the table of spans with what each is.
func Spans() map[Span]string {
	spans := map[Span]string{
		SpanRead: "a read from the store", SpanCommit: "a commit, until it is durable", SpanPolicy: "a policy decision",
		SpanSign: "a signature", SpanSeal: "encrypting or decrypting a secret at rest",
		SpanAudit: "an audit entry into its queue", SpanFetch: "reading what a client publishes",
	}
	for _, endpoint := range endpointLabel.Values {
		spans[SpanRequest+Span(endpoint)] = "a request to the endpoint"
	}
	return spans
}

// Attribute is the name of a span's attribute.
type Attribute string

// The attributes. None may hold a secret, a token, a URL's query or an error's text.
const (
	AttrRequestID Attribute = "signet.request_id"
	AttrDoor      Attribute = "signet.door"
	AttrClientID  Attribute = "signet.client_id"
	AttrGrantType Attribute = "signet.grant_type"
	AttrDecision  Attribute = "signet.decision_id"
	AttrOperation Attribute = "signet.operation"
	AttrAlg       Attribute = "signet.alg"
	AttrOutcome   Attribute = "signet.outcome"
	AttrError     Attribute = "error.type"
	AttrMethod    Attribute = "http.request.method"
	AttrStatus    Attribute = "http.response.status_code"
)
