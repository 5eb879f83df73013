// Package mtls judges TLS certificates: which one a client presented (over TLS, or through a trusted proxy as
// RFC 9440 has it), whether the configured authorities vouch for it, whose it is (RFC 8705) and which PSD2 roles
// it carries (ETSI TS 119 495). It also serves certificates that reload without dropping connections.
//
// Invariant: nothing here trusts by default. A certificate that was not verified, a list that is out of date, a
// header from an unknown sender and a name that does not parse are all refusals, each with its own error.
package mtls
