package provider

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"signet/policy"
	"signet/provider/oauth"
	"signet/provider/telemetry"
	"signet/provider/web"
)

// observation is what the parts learn about a request while it is answered.
type observation struct {
	grant, method string // as policy was asked
	reason        string // why it is refused: what stopped it last
	trace         telemetry.Trace
}

type observationKey struct{}

// blame says what stopped the request, unless it goes on.
func blame(ctx context.Context, reason string) {
	if o, ok := ctx.Value(observationKey{}).(*observation); ok {
		o.reason = reason
	}
}

// blameFor blames the part whose operation had the outcome, if that is the part's fault.
func blameFor(ctx context.Context, outcome, reason string) {
	switch outcome {
	case telemetry.Unavailable, telemetry.Failed:
		blame(ctx, reason)
	case telemetry.Canceled:
		blame(ctx, telemetry.ReasonCanceled)
	}
}

// decided remembers what policy was asked.
func decided(ctx context.Context, in policy.Input, decision string) {
	web.NotesOf(ctx).Decision = decision
	o, ok := ctx.Value(observationKey{}).(*observation)
	if !ok {
		return
	}
	o.grant, o.method = in.Grant.Type, in.Client.AuthMethod
	o.trace.Set(telemetry.AttrClientID, in.Client.ID)
	o.trace.Set(telemetry.AttrGrantType, in.Grant.Type)
	o.trace.Set(telemetry.AttrDecision, decision)
}

// observer counts and times a door's requests.
func observer(t *telemetry.Telemetry, door web.Door, at Endpoints) web.Observer {
	if t == nil {
		return nil
	}
	names := at.names()
	return func(ctx context.Context, r *http.Request) (context.Context, func(status int)) {
		start, endpoint, method, o := t.Now(), endpointOf(r.URL.Path, at, names), r.Method, &observation{}
		ctx, o.trace = t.StartRequest(ctx, endpoint, r.Header)
		o.trace.Set(telemetry.AttrRequestID, web.RequestID(ctx))
		o.trace.Set(telemetry.AttrDoor, string(door))
		o.trace.Set(telemetry.AttrMethod, method)
		notes := web.NotesOf(ctx)
		notes.Trace = o.trace.ID()
		t.Add(telemetry.HTTPUnderWay, 1)
		return context.WithValue(ctx, observationKey{}, o), func(status int) {
			code := string(notes.Error)
			if code == "" {
				code = telemetry.None
			}
			t.Add(telemetry.HTTPUnderWay, -1)
			t.Count(telemetry.HTTPRequests, endpoint, string(door), method, strconv.Itoa(status), code)
			t.Observe(telemetry.HTTPDuration, t.Now().Sub(start), endpoint, string(door))
			if endpoint == endpointToken {
				o.countToken(t, status, notes.Error)
			}
			o.trace.SetInt(telemetry.AttrStatus, status)
			if status >= http.StatusInternalServerError {
				o.trace.Fail(code)
			}
			o.trace.End()
		}
	}
}

func (o *observation) countToken(t *telemetry.Telemetry, status int, code oauth.Code) {
	if status == http.StatusOK {
		t.Count(telemetry.TokensIssued, o.grant, o.method)
		return
	}
	t.Count(telemetry.TokenRefusals, string(code), o.refusedFor(code))
}

// refusedFor is the part that is to blame, or else what the error code says.
func (o *observation) refusedFor(code oauth.Code) string {
	switch {
	case o.reason != "":
		return o.reason
	case code == oauth.InvalidClient:
		return telemetry.ReasonClient
	case code == oauth.InvalidGrant:
		return telemetry.ReasonCredential
	case code == oauth.ServerError, code == oauth.TemporarilyUnavailable:
		return telemetry.ReasonInternal
	default:
		return telemetry.ReasonRequest
	}
}

const endpointToken = "token"

// names are what telemetry calls the endpoints, by their paths.
func (e Endpoints) names() map[string]string {
	return map[string]string{
		e.Token: endpointToken, e.PushedRequest: "pushed_authorization", e.BackchannelAuthentication: "backchannel_authentication",
		e.DeviceAuthorization: "device_authorization", e.Introspection: "introspection", e.Revocation: "revocation",
		e.Userinfo: "userinfo", e.Authorization: "authorization", e.JWKS: "jwks", e.Registration: "registration",
		pathResume: "resume", pathArchivedJWKS: "jwks", pathOpenIDConfig: "metadata", pathServerConfig: "metadata",
		pathDevice: "device",
	}
}

// endpointOf names the endpoint at a path: one of the names in telemetry's table, whatever a stranger asks for.
func endpointOf(path string, at Endpoints, names map[string]string) string {
	if name, known := names[path]; known {
		return name
	}
	page, within := strings.CutPrefix(path, pathInteraction)
	switch {
	case strings.HasPrefix(path, at.Grants+"/"):
		return "grants"
	case strings.HasPrefix(path, at.Registration+"/"):
		return "registration"
	case strings.HasPrefix(path, pathDevice+"/"):
		return "device"
	case !within:
		return telemetry.Other
	case page == "login", page == "consent", page == "approvals":
		return page
	default:
		return "pages"
	}
}
