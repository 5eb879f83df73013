// Package oauth is the vocabulary of the house: clients, requests, grants, tokens, errors and the state
// changes that a request implies. It does no I/O and imports nothing of ours.
//
// Invariant: what is in these types has been validated by the package that built it; bytes from the wire
// stay in [Params] until then. Values that must not be seen ([Secret], [Params]) print themselves redacted.
package oauth
