// Package authorize is the authorization endpoint (RFC 6749 section 3.1, OpenID Connect Core section 3.1.2):
// it validates the request, finds out whether the user has to log in or to agree, and issues the code.
// It shows no login and no consent itself: it sends the browser to the pages through [Interactor].
//
// Invariant: nothing is ever redirected but to a [destination] - a registered redirect URI of an existing,
// enabled client -, and a code leaves only after the one commit that holds the code, its grant, the
// user's consent, the end of the interaction and the audit entries.
package authorize
