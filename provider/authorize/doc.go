// Package authorize is the authorization endpoint (RFC 6749 section 3.1, OpenID Connect Core section 3) with the pushed
// authorization request endpoint (RFC 9126): it validates the request, finds out whether the user has to log in or to
// agree, and issues what the response type asks for: a code, an ID token, an access token. A request comes plain, as a
// request object by value or by reference (RFC 9101, OpenID Connect Core section 6) or pushed; its answer goes by query,
// fragment or form, plain or as a JWT (JARM). The package shows no login and no consent itself: it sends the browser to
// the pages through [Interactor]; and it decides about no access token itself: [Front] does.
//
// Invariant: nothing is ever redirected but to a [destination] - a registered redirect URI of an existing,
// enabled client -, and nothing that opens anything leaves before the one commit that holds the code, the grant, its
// part in the user's session, the consent, the end of the interaction and of the pushed request, and the audit entries.
package authorize
