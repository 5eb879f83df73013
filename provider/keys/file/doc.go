// Package file keeps the keys in a directory: one file per key, encrypted at rest. It is the embedded
// default for keys.Backend; private keys are in this process's memory while it runs.
//
//	<directory>/data-key.json   the data key, wrapped with a key derived from the passphrase (argon2id)
//	<directory>/<kid>.key.json  one key: its public facts, and PKCS #8 under the data key
//	<directory>/lock            held by whoever writes
//
// Invariant: files are written whole or not at all (temporary file, fsync, rename, fsync of the directory) and
// never changed afterwards; a key's facts are authenticated together with its secret, so neither can be
// exchanged without the passphrase.
package file
