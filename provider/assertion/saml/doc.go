// Package saml reads SAML 2.0 assertions: bytes, certificates and the time in, a typed assertion or an error out. It does
// no I/O and reads no clock. XML signatures are checked by goxmldsig; the package decides what goxmldsig is given.
//
// Invariant: what [Document.Verify] returns was read from the bytes that the signature covers and from nothing else, and
// those bytes are one Assertion, the whole of the document. Before anything is computed the document must have the one
// shape that the SAML signature profile (SAML Core section 5.4) leaves: a single signature, a child of the root, over the
// root by its ID, exclusive canonicalization, a SHA-2 algorithm. Nothing that the signature says about its own key
// (KeyInfo) is ever used. Document types, processing instructions, comments and CDATA sections are refused as bytes,
// before any parser sees them.
package saml
