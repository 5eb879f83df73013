// Package token is the token endpoint (RFC 6749 section 3.2) and its grants, a file each.
//
// Invariant: grants only decide. The endpoint alone authenticates, binds, asks policy, issues, commits and
// audits, in this order; nothing is written to the client before the one commit has succeeded.
package token
