// Package registration lets clients register themselves (RFC 7591, OpenID Connect Registration) and look after their
// registration (RFC 7592).
//
// Invariant: nobody registers without the initial access token, or where that is not asked for more often than strangers
// may; no registration is kept that an operator could not have made or that the bank's policy denies, and none gets more
// than the operator's bounds.
package registration
