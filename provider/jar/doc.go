// Package jar reads signed request objects: those of authorization requests (RFC 9101) and of backchannel
// authentication requests (CIBA Core section 7.1.1). Bytes, the present and the caller's [Rules] in, parameters out.
//
// Invariant: an [Object] exists only for a payload that names its client and this server, is of the present, and is
// nobody's client assertion; its parameters are what a form could have carried. Whether it has been used before is
// the caller's to remember.
package jar
