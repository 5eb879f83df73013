// Package keys holds the provider's signing keys: which key signs now, which ones are published, and when one
// replaces another. Where private keys live is a [Backend]'s business; the [Ring] only asks it to sign.
//
// Invariant: a key is published before it signs and stays published until the last token that it signed has
// expired. Which state a key is in follows from the keys' times alone, so every process that sees the same
// keys at the same time agrees, and nothing has to be rewritten when a key becomes active.
package keys
