// Package jose reads and writes signed JSON: compact JWS, JWK sets and JWT claims. Signatures are made and
// checked by jwx; the package decides what jwx is given. It does no I/O and reads no clock.
//
// Invariant: a payload leaves [Verify] or [VerifyHMAC] only after its signature was checked with a key that
// the caller supplied, by an algorithm that the caller allowed and the key was made for. Nothing that the
// token says about its own key (jwk, jku, x5u, x5c) is ever used.
package jose
