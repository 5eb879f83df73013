// Package assertion judges assertions that somebody else has made about a user: JWTs (RFC 7523 section 3) and SAML 2.0
// assertions (RFC 7522 section 3) of configured issuers, and those that a client issues itself. The grants that redeem
// them (RFC 7521 section 4.1) and token exchange (RFC 8693) read them through it.
//
// Invariant: what comes out was signed by the issuer that it names, for this server and for now, and names a user who can
// log in here, or the client itself; whatever is refused has the one code invalid_grant, and users who are unknown, or
// disabled, or no longer accept the login are not told apart. Nothing is written: that the assertion is used up is
// returned as a change.
package assertion
