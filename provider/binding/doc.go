// Package binding turns what a request's sender proved to hold into an [oauth.Confirmation], which
// tokens are bound to and checked against.
//
// Invariant: only what the transport proved counts; nothing here reads a parameter or a header.
package binding
