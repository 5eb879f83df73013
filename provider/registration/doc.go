// Package registration lets clients register themselves (RFC 7591) and look after their registration (RFC 7592).
//
// Invariant: nobody registers without the initial access token, no registration is kept that an operator could not
// have made, and none gets more than the operator's bounds.
package registration
