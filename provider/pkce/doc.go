// Package pkce checks proof keys for code exchange (RFC 7636).
//
// Invariant: only the S256 transformation exists; there is no way to accept a verifier in the clear.
package pkce
