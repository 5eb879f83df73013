// Package grantmgmt is the grant management API (Grant Management for OAuth 2.0 section 7): a client asks what is left
// of a grant that its user gave, or ends it.
//
// Invariant: a client learns of, and ends, only its own grants; of all others it cannot tell whether they exist.
package grantmgmt
