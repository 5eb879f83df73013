// Package keys holds the provider's keys, to sign with and to decrypt with: which one is in use now, which ones are
// published, and when one replaces another. Where private keys live is a [Backend]'s business; the [Ring] only asks
// it to sign, and to decrypt the keys of what was encrypted to it.
//
// Invariant: a signing key is published before it signs and stays published until the last token that it signed has
// expired. For a decryption key it is the other way round: every process has it before it is published, and
// it decrypts until nobody can have a copy of the key set any more in which it was. Which state a key is in follows
// from the keys' times alone, so every process that sees the same keys at the same time agrees, and nothing has to be
// rewritten when a key becomes active.
package keys
