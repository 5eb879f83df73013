// Package session keeps what a browser holds between requests: the login session and, for each
// authorization request that waits for its user, a ticket. Both are secrets in "__Host-" cookies
// (RFC 6265bis section 4.1.3.2); the store has only their digests. For OpenID Connect Session Management there is a
// third cookie, made from the session's secret by a one-way function: it proves nothing.
//
// Invariant: a login never continues a session that existed before it - [Manager.Start] always makes a new
// secret and ends the old session in the same commit -, so a session fixed by somebody else is worth nothing.
package session
