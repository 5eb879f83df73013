// Package authorize is the authorization endpoint (RFC 6749 section 3.1, OpenID Connect Core section 3.1.2) with
// the pushed authorization request endpoint (RFC 9126): it validates the request, finds out whether the user has
// to log in or to agree, and issues the code. A request comes plain, as a signed request object (RFC 9101) or
// pushed; its answer goes by query, fragment or form, plain or as a JWT (JARM). The package shows no login and no
// consent itself: it sends the browser to the pages through [Interactor].
//
// Invariant: nothing is ever redirected but to a [destination] - a registered redirect URI of an existing,
// enabled client -, and a code leaves only after the one commit that holds the code, its grant, the
// user's consent, the end of the interaction and of the pushed request, and the audit entries.
package authorize
