// Package transit is the key backend on Vault's transit engine: private keys are made in Vault and never leave
// it; every signature is a call, and so is every decryption of a content encryption key. Signatures with the same key
// that are asked for together travel together (batch_input).
//
// Each algorithm has one transit key, PREFIX-es256 and so on; a key of ours is one version of it, named by
// number in every call. Which versions are in use, and from when, is one record in KV v2, written by check-and-set.
//
// Invariant: only what the record names signs, decrypts or is published, a version enters the record at most once, and
// Vault's minimum versions never pass the oldest version that the record has or can still get.
package transit
