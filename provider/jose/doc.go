// Package jose reads and writes signed and encrypted JSON: compact JWS and JWE, JWK sets and JWT claims. Signatures are
// made and checked by jwx, and contents encrypted and decrypted; the package decides what jwx is given. It does no I/O
// and reads no clock.
//
// Invariant: a payload leaves [Verify] or [VerifyHMAC] only after its signature was checked with a key that
// the caller supplied, by an algorithm that the caller allowed and the key was made for. Nothing that the
// token says about its own key (jwk, jku, x5u, x5c) is ever used. What nobody has signed comes out of
// [ReadUnsigned] alone, and what was only encrypted out of [Encrypted.Open]: encryption says nothing about the sender.
package jose
