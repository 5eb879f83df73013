package authorize

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"signet/provider/oauth"
	"signet/provider/web"
)

// Values of response_mode (OAuth 2.0 Multiple Response Type Encoding Practices section 2.1, OAuth 2.0
// Form Post Response Mode section 2, JARM section 2.3).
const (
	modeQuery    = "query"
	modeFragment = "fragment"
	modeFormPost = "form_post"
	modeJWT      = "jwt" // the default mode of the response type, as a JWT; never stored
	suffixJWT    = ".jwt"
)

// carrier carries the answer's parameters to the client through the browser.
type carrier func(e *Endpoint, w http.ResponseWriter, r *http.Request, d destination, answer url.Values)

// modes is the registry of response modes. One that ends in .jwt carries a single parameter, the JWT.
func modes() map[string]carrier {
	query := func(_ *Endpoint, w http.ResponseWriter, _ *http.Request, d destination, answer url.Values) {
		web.SeeOther(w, withQuery(d.redirectURI, answer))
	}
	fragment := func(_ *Endpoint, w http.ResponseWriter, _ *http.Request, d destination, answer url.Values) {
		web.SeeOther(w, d.redirectURI+"#"+answer.Encode())
	}
	form := func(e *Endpoint, w http.ResponseWriter, r *http.Request, d destination, answer url.Values) {
		e.deps.FormPostPage(w, r, d.client.Name, d.redirectURI, answer)
	}
	return map[string]carrier{
		modeQuery: query, modeFragment: fragment, modeFormPost: form,
		modeQuery + suffixJWT: query, modeFragment + suffixJWT: fragment, modeFormPost + suffixJWT: form,
	}
}

// ResponseModes are the values of response_mode that the endpoint serves, for discovery.
func ResponseModes() []string {
	names := append(slices.Collect(maps.Keys(modes())), modeJWT)
	slices.Sort(names)
	return names
}

// secured says whether answers by the mode are JWTs.
func secured(mode string) bool { return strings.HasSuffix(mode, suffixJWT) }

// answersSigned says whether the request may have a JWT for its answer. That costs a signature, for an error, too, and
// anybody can make up a request: so the client has to be registered for it, or held to it, or to have made the request.
func answersSigned(from inquiry) bool {
	return from.client.ResponseAlg != "" || from.client.ResponseEncAlg != "" || from.profile.SignedResponse || from.signed || from.pushed && !from.client.Public()
}

// modeFor returns the mode by which a request is answered, its errors included: the one it asks for or, where
// that cannot be, with a fault, the default of its response type.
func modeFor(from inquiry, redirectURI string) (mode string, fault *oauth.Error) {
	p := from.params
	mode = modeQuery
	inFront := carriesToken(p.Get("response_type"))
	if inFront { // Multiple Response Type Encoding Practices section 3
		mode = modeFragment
	}
	asked := p.Get("response_mode")
	switch plain := strings.TrimSuffix(asked, suffixJWT); {
	case asked == "":
		return mode, nil
	case asked != modeJWT && modes()[asked] == nil:
		return mode, oauth.Errorf(oauth.InvalidRequest, "response_mode is not supported")
	case (asked == modeJWT || secured(asked)) && !answersSigned(from):
		return mode, oauth.Errorf(oauth.InvalidRequest, "signed answers need a registered authorization_signed_response_alg, or a request that is signed or pushed by a confidential client")
	case asked == modeJWT:
		return mode + suffixJWT, nil
	case inFront && plain == modeQuery: // Multiple Response Type Encoding Practices section 3, JARM section 2.3.1
		fault = oauth.Errorf(oauth.InvalidRequest, "response_mode must not put a token into the query")
	case plain == modeFormPost && !strings.HasPrefix(redirectURI, "http"): // an app's scheme takes no POST
		fault = oauth.Errorf(oauth.InvalidRequest, "form_post needs an http or https redirect URI")
	default:
		return asked, nil
	}
	if secured(asked) {
		mode += suffixJWT
	}
	return mode, fault
}

// withQuery appends to a URI that may have a query already, which stays as it is (RFC 6749 section 3.1.2).
func withQuery(uri string, answer url.Values) string {
	switch {
	case !strings.Contains(uri, "?"):
		return uri + "?" + answer.Encode()
	case strings.HasSuffix(uri, "?"), strings.HasSuffix(uri, "&"):
		return uri + answer.Encode()
	default:
		return uri + "&" + answer.Encode()
	}
}
