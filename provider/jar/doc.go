// Package jar reads request objects: those of authorization requests (RFC 9101, OpenID Connect Core section 6) and of
// backchannel authentication requests (CIBA Core section 7.1.1). Bytes, the present and the caller's [Rules] in,
// parameters out.
//
// Invariant: an [Object] exists only for a payload that is of the present, is nobody's client assertion and names no
// other client and no other server; one that is signed does name its client. Its parameters are what a form could have
// carried. Whether it has been used before is the caller's to remember.
package jar
