package token

import (
	"crypto/x509"
	"net/http"

	"signet/provider/binding"
	"signet/provider/oauth"
)

// Binder finds out what the sender of a request holds; *binding.Binder does.
type Binder interface {
	From(w http.ResponseWriter, r *http.Request, leaf *x509.Certificate, urls, algs []string, access oauth.Secret) (binding.Sender, error)
}

// checkSender says whether the sender holds what this client's tokens have to be bound to.
func checkSender(caller oauth.ClientAuthentication, sender oauth.Confirmation) error {
	client, profile := caller.Client, caller.Profile
	switch {
	case client.DPoPBound && sender.JKT == "":
		return oauth.Errorf(oauth.InvalidRequest, "this client's tokens are bound to a DPoP key: send a proof (RFC 9449 section 5.2)")
	case certificateBound(client, profile) && sender.X5TS256 == "":
		return oauth.Errorf(oauth.InvalidRequest, "this client's tokens are certificate-bound: use the mTLS token endpoint with a client certificate (RFC 8705 section 3)")
	case profile.CertificateBound && sender.JKT != "":
		return oauth.Errorf(oauth.InvalidRequest, "this client's profile binds tokens to its certificate: send no DPoP proof")
	case profile.SenderConstrained && sender.IsZero():
		return oauth.Errorf(oauth.InvalidRequest, "this client's tokens are sender-constrained: send a DPoP proof (RFC 9449), or use the mTLS token endpoint with a client certificate (RFC 8705)")
	default:
		return nil
	}
}

func certificateBound(client *oauth.Client, profile oauth.Profile) bool {
	return profile.CertificateBound || client.BoundAccessTokens
}

// confirmation is what the tokens are bound to. Who sends a proof wants them bound to its key, and may need the
// certificate only to authenticate: a resource server need not see it. Where they have to be certificate-bound, they
// are bound to both.
func confirmation(req oauth.TokenRequest) oauth.Confirmation {
	if req.Sender.JKT != "" && !certificateBound(req.Client, req.Profile) {
		return oauth.Confirmation{JKT: req.Sender.JKT}
	}
	return req.Sender
}

// The values of token_type (RFC 6750 section 4, RFC 9449 section 5).
const (
	typeBearer = "Bearer"
	typeDPoP   = "DPoP"
)

func tokenType(bound oauth.Confirmation) string {
	if bound.JKT != "" {
		return typeDPoP
	}
	return typeBearer
}
