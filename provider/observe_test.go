package provider_test

import (
	"compress/gzip"
	"context"
	"encoding/hex"
	"encoding/pem"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"signet/mtls"
	"signet/provider"
	"signet/provider/audit"
	"signet/provider/oauth"
	"signet/provider/telemetry"
)

// collectorServer receives traces by OTLP/HTTP.
type collectorServer struct {
	*httptest.Server
	ca    string
	mu    sync.Mutex
	spans []*otlp.Span
	text  strings.Builder // all that came, as JSON
}

func (h *house) newCollector() *collectorServer {
	c := &collectorServer{}
	c.Server = httptest.NewTLSServer(c)
	h.t.Cleanup(c.Close)
	c.ca = h.write("collector.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate().Raw})))
	return c
}

// ServeHTTP implements http.Handler.
func (c *collectorServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var export collector.ExportTraceServiceRequest
	unzipped, err := gzip.NewReader(r.Body)
	if err == nil {
		var raw []byte
		if raw, err = io.ReadAll(unzipped); err == nil {
			err = proto.Unmarshal(raw, &export)
		}
	}
	if err != nil || r.URL.Path != "/v1/traces" {
		http.Error(w, "not a trace", http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.text.WriteString(protojson.Format(&export))
	for _, resource := range export.ResourceSpans {
		for _, scope := range resource.ScopeSpans {
			c.spans = append(c.spans, scope.Spans...)
		}
	}
}

// traceOf is the request's own span and those within it, by name.
func (c *collectorServer) traceOf(t *testing.T, requestID string) (root *otlp.Span, within map[string]*otlp.Span) {
	t.Helper()
	within = map[string]*otlp.Span{}
	for _, span := range c.spans {
		if attribute(span, telemetry.AttrRequestID) == requestID {
			root = span
		}
	}
	if root == nil {
		t.Fatalf("no span of the request %s", requestID)
	}
	for _, span := range c.spans {
		if slices.Equal(span.ParentSpanId, root.SpanId) {
			within[span.Name] = span
		}
	}
	return root, within
}

func attribute(span *otlp.Span, name telemetry.Attribute) string {
	for _, a := range span.Attributes {
		if a.Key == string(name) {
			return a.Value.GetStringValue()
		}
	}
	return ""
}

// observedTwin is a twin with telemetry, every request traced.
func (h *house) observedTwin(change func(*provider.Config), traces telemetry.Traces) (*twin, *telemetry.Telemetry) {
	h.t.Helper()
	tele, err := telemetry.New(h.t.Context(), telemetry.Options{Clock: h.now, Log: slog.New(slog.DiscardHandler), Traces: traces})
	must(h.t, err)
	h.t.Cleanup(func() { _ = tele.Close(context.Background()) })
	return h.twin(change, func(d *provider.Deps) { d.Telemetry = tele }), tele
}

// TestTraceOfATokenRequest follows a code's redemption into its parts, and searches all that left for secrets.
func TestTraceOfATokenRequest(t *testing.T) {
	h := newHouse(t, nil)
	h.account("alice")
	h.register("app", nil)
	c := h.newCollector()
	tw, tele := h.observedTwin(nil, telemetry.Traces{Endpoint: c.URL + "/v1/traces", CAFile: c.ca, SampleRatio: 1})
	client := tw.http(nil)
	code := tw.storedCode("app", "openid email offline_access accounts")
	issued := tw.post(client, tw.issuer+"/token?note=QUERY", form(redeem(code)...), basic("app"))
	if issued.Status != http.StatusOK {
		t.Fatalf("%d %s", issued.Status, issued.Body)
	}
	again := tw.post(client, tw.issuer+"/token", form(redeem(code)...), basic("app"))
	introspected := tw.post(client, tw.issuer+"/introspect", form("token", issued.text("access_token")), basic("app"))
	tw.get(client, tw.issuer+"/userinfo", bearer(issued.text("access_token")))
	tw.get(client, tw.issuer+"/authorize?client_id=app&state=QUERY&code_challenge=QUERY")
	must(t, tele.Close(t.Context()))

	root, within := c.traceOf(t, issued.Header.Get("X-Request-Id"))
	for _, name := range []telemetry.Span{telemetry.SpanRead, telemetry.SpanPolicy, telemetry.SpanSign, telemetry.SpanCommit} {
		if span := within[string(name)]; span == nil || attribute(span, telemetry.AttrOutcome) != telemetry.OK {
			t.Errorf("%s: %v", name, span)
		}
	}
	for name, want := range map[telemetry.Attribute]string{
		telemetry.AttrClientID: "app", telemetry.AttrGrantType: oauth.GrantAuthorizationCode, telemetry.AttrDoor: "main", telemetry.AttrMethod: "POST",
	} {
		if got := attribute(root, name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	if root.Name != "http.token" || attribute(root, telemetry.AttrDecision) == "" {
		t.Errorf("%v", root)
	}
	if _, within := c.traceOf(t, again.Header.Get("X-Request-Id")); within[string(telemetry.SpanPolicy)] != nil {
		t.Error("a used code reached the policy")
	}
	if root, _ := c.traceOf(t, introspected.Header.Get("X-Request-Id")); root.Name != "http.introspection" {
		t.Errorf("%s", root.Name)
	}
	for what, secret := range map[string]string{
		"the client's secret": secretOf("app").Reveal(), "the code": code, "the verifier": verifier, "a query": "QUERY",
		"the access token": issued.text("access_token"), "the ID token": issued.text("id_token"), "the refresh token": issued.text("refresh_token"),
	} {
		if len(secret) == 0 || strings.Contains(c.text.String(), secret) {
			t.Errorf("the traces have %s (%q)", what, secret)
		}
	}
	for _, span := range c.spans {
		if _, known := telemetry.Spans()[telemetry.Span(span.Name)]; !known {
			t.Errorf("%s is not in the table", span.Name)
		}
	}
	// The log leads to the trace, and both to the decision.
	line := tw.logged.about(issued.Header.Get("X-Request-Id"))
	for _, want := range []string{"trace_id=" + hex.EncodeToString(root.TraceId), "decision_id=" + attribute(root, telemetry.AttrDecision)} {
		if !strings.Contains(line, want) {
			t.Errorf("no %s in %s", want, line)
		}
	}
}

// metric finds a series' value in what the handler serves.
func metric(t *testing.T, tele *telemetry.Telemetry, series string) string {
	t.Helper()
	w := httptest.NewRecorder()
	tele.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	match := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(series) + ` (\S+)$`).FindStringSubmatch(w.Body.String())
	if match == nil {
		return ""
	}
	return match[1]
}

// TestTokenRequestsAreCounted sends requests that end in each way, and finds each in its place.
func TestTokenRequestsAreCounted(t *testing.T) {
	h := newHouse(t, nil)
	h.account("alice")
	h.register("app", nil)
	key := newSigningKey(t, "k1")
	h.register("pk", func(c *oauth.Client) { c.AuthMethod, c.JWKS = oauth.AuthPrivateKeyJWT, key.jwks })
	dir := ownersDirectory(t)
	tw, tele := h.observedTwin(func(c *provider.Config) { c.Policy.Directory = dir }, telemetry.Traces{})
	client := tw.http(nil)
	token := func(f []string, edit ...func(*http.Request)) {
		tw.post(client, tw.issuer+"/token", form(f...), edit...)
	}
	accounts := []string{"grant_type", "client_credentials", "scope", "accounts"}
	ai := tw.http(h.qwac("app", mtls.RoleAccountInformation))
	tw.post(ai, tw.mtls+"/token", form(accounts...), basic("app"))
	token(accounts, basic("app")) // the example's rules want a role
	proved := append(proof(tw.assertion(key, "pk", nil)), clientCredentials...)
	token(proved)
	token(proved)
	token(accounts, basic("nobody"))
	code := tw.storedCode("app", "openid")
	token(redeem(code), basic("app"))
	token(redeem(code), basic("app"))
	token([]string{"grant_type", "x"}, basic("app"))
	tw.get(client, tw.issuer+"/token")
	tw.get(client, tw.issuer+"/no/such/"+strings.Repeat("x", 50))
	tw.get(client, tw.issuer+"/authorize?"+form("response_type", "code", "client_id", "app", "redirect_uri", callback, "scope", "openid").Encode())
	for series, want := range map[string]string{
		`signet_tokens_issued_total{auth_method="client_secret_basic",grant_type="client_credentials"}`:                      "1",
		`signet_tokens_issued_total{auth_method="client_secret_basic",grant_type="authorization_code"}`:                      "1",
		`signet_token_refusals_total{error="invalid_client",reason="client"}`:                                                "1",
		`signet_token_refusals_total{error="invalid_client",reason="replay"}`:                                                "1",
		`signet_token_refusals_total{error="invalid_grant",reason="credential"}`:                                             "1",
		`signet_token_refusals_total{error="unsupported_grant_type",reason="request"}`:                                       "1",
		`signet_token_refusals_total{error="method_not_allowed",reason="request"}`:                                           "1",
		`signet_audit_events_total{event="code.reused"}`:                                                                     "1",
		`signet_http_requests_total{door="mtls",endpoint="token",error="none",method="POST",status="200"}`:                   "1",
		`signet_http_requests_total{door="main",endpoint="other",error="not_found",method="GET",status="404"}`:               "1",
		`signet_http_requests_total{door="main",endpoint="authorization",error="invalid_request",method="GET",status="303"}`: "1",
		`signet_http_requests_under_way`:                                     "0",
		`signet_store_commit_duration_seconds_count{outcome="conflict"}`:     "1",
		`signet_policy_decision_duration_seconds_count{outcome="denied"}`:    "3", // the third came to nothing: its assertion had been used
		`signet_token_refusals_total{error="invalid_scope",reason="policy"}`: "2",
	} {
		if got := metric(t, tele, series); got != want {
			t.Errorf("%s = %q, want %q", series, got, want)
		}
	}
}

// TestOutagesAreCounted lets each part fail: the refusal names it.
func TestOutagesAreCounted(t *testing.T) {
	h := newHouse(t, nil)
	h.account("alice")
	h.register("app", nil)
	down := oauth.ErrUnavailable
	for reason, c := range map[string]struct {
		inject func(*provider.Deps)
		form   []string
	}{
		telemetry.ReasonStore:   {func(d *provider.Deps) { d.Store = deafStore{d.Store, down} }, redeem(h.storedCode("app", "openid"))},
		telemetry.ReasonSigning: {func(d *provider.Deps) { d.Keys = muteKeys{d.Keys, down} }, clientCredentials},
	} {
		t.Run(reason, func(t *testing.T) {
			tele, err := telemetry.New(t.Context(), telemetry.Options{Clock: h.now, Log: slog.New(slog.DiscardHandler)})
			must(t, err)
			tw := h.twin(nil, func(d *provider.Deps) { c.inject(d); d.Telemetry = tele })
			r := tw.post(tw.http(nil), tw.issuer+"/token", form(c.form...), basic("app"))
			series := `signet_token_refusals_total{error="temporarily_unavailable",reason="` + reason + `"}`
			if got := metric(t, tele, series); r.Status != http.StatusServiceUnavailable || got != "1" {
				t.Errorf("%d %s; %s = %q", r.Status, r.Body, series, got)
			}
		})
	}
}

// TestTelemetryKnowsTheVocabulary holds the closed sets of labels against what exists.
func TestTelemetryKnowsTheVocabulary(t *testing.T) {
	values := map[string][]string{}
	for _, m := range telemetry.Metrics() {
		for _, label := range m.Labels {
			values[label.Name] = append(values[label.Name], label.Values...)
		}
	}
	var events []string
	for _, event := range audit.Events() {
		events = append(events, string(event))
	}
	for _, known := range values["event"] {
		if known != telemetry.Other && !slices.Contains(events, known) {
			t.Errorf("there is no audit event %s", known)
		}
	}
	var methods []string
	for _, m := range oauth.Profiles[oauth.ProfileOpenID].AuthMethods {
		methods = append(methods, string(m))
	}
	text, err := os.ReadFile("oauth/error.go")
	must(t, err)
	var errorCodes []string
	for _, match := range regexp.MustCompile(`Code = "([a-z_]+)"`).FindAllSubmatch(text, -1) {
		errorCodes = append(errorCodes, string(match[1]))
	}
	for label, all := range map[string][]string{"grant_type": oauth.GrantTypes, "auth_method": methods, "error": errorCodes} {
		for _, value := range all {
			if !slices.Contains(values[label], value) {
				t.Errorf("%s would be counted as other: add it to %s in telemetry/names.go", value, label)
			}
		}
	}
}
