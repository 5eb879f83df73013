// Package issue makes what the provider hands out - access tokens, ID tokens, refresh tokens, userinfo, logout tokens -
// and reads its own access tokens back. It alone knows by which name a client knows a user, and encrypts to clients. It signs and draws random bits; it decides nothing and stores nothing: what
// must be stored is returned as changes.
//
// Invariant: a token carries exactly what the [Mandate] says, never more.
package issue
