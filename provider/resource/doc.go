// Package resource is what a resource server needs in order to accept Signet's access tokens: it reads
// the token from the request, verifies it (RFC 9068 section 4, or RFC 7662 when it is opaque), checks
// that its sender holds the certificate or the DPoP key that it is bound to (RFC 8705 section 3, RFC 9449
// section 7) and that the user's login was good enough (RFC 9470), and answers as RFC 6750 says.
//
// Invariant: a handler behind [Verifier.Protect] runs only with a token that is authentic, alive, meant
// for this resource server, wide enough, and presented by its rightful holder with a proof not seen before.
package resource
