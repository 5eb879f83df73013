// Package rar is rich authorization requests (RFC 9396): what authorization_details may say, whether one set of
// them stays within another, for which resource servers they count, and how they read to people.
//
// Invariant: no element passes that is not well-formed JSON of a configured type, valid against that type's schema,
// and everything that an element says is in its words.
package rar
