// Package dpop checks and makes DPoP proofs (RFC 9449 section 4): bytes, the present and limits in, a value out.
//
// Invariant: a [Proof] exists only for a JWT that the key inside it signed, for this method, this URL and this
// moment. Whether it has been used before is the caller's to remember, by its ID.
package dpop
