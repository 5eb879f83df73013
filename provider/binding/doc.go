// Package binding turns what a request's sender proved to hold into an [oauth.Confirmation], which
// tokens are bound to and checked against: the TLS client certificate, the key of a DPoP proof, or both.
//
// Invariant: only what was proved counts. A proof that cannot be accepted fails the request; it is never as if
// there had been none.
package binding
