// Package clientauth authenticates the client of a request (RFC 6749 section 2.3, RFC 7523 section 2.2,
// RFC 8705 section 2, OpenID Connect Core section 9): exactly one method per request, and exactly the one
// that the client is registered with. Each method is one file. At the token endpoint, where the owner lets it, an assertion
// that is redeemed and that a private_key_jwt client has issued itself stands for its client assertion (RFC 7521 section 4.1).
//
// Invariant: nothing is written. What accepting a proof changes (a used assertion jti) is returned, and
// the endpoint commits it with all else that the request does.
package clientauth
