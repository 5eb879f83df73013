// Package sealed holds what key backends share that keep private keys themselves: a box of AES-256-GCM, and the
// record of one key, to sign or to decrypt with, whose private part is sealed in such a box.
//
// Invariant: a record's public facts are authenticated together with its secret, so neither can be exchanged
// without the data key; a record is used only if its kid is the thumbprint of the key inside.
package sealed
