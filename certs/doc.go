// Package certs makes certificates for development and tests: an authority, what it issues, and its revocation
// lists, in memory ([NewCA], [CA.Issue], [CA.CRL]) or as a folder of PEM files ([Ensure]).
//
// Invariant: it never replaces what still serves. A file in the folder is made anew only when it is missing, broken,
// close to its end or not the current authority's, so that thumbprints and registrations outlive a restart.
package certs
