// Package vaultkv is the key backend on Vault's KV v2 engine: keys are kept in Vault, sealed, and this process signs and
// decrypts with them, without a call.
//
//	MOUNT/PREFIX/keys       the keys to sign and decrypt with: public facts, and PKCS #8 sealed with a data key
//	MOUNT/PREFIX/data-keys  the data keys: the newest seals, all of them open. Whoever may read one of the two
//	                        paths alone has no private key, so policies and backups can keep them apart.
//
// Private keys and data keys are in this process's memory while it runs, and garbage collection decides when what
// was dropped there is overwritten. Where that is not acceptable, use package transit.
//
// KV v2 keeps former versions of a secret, and with them keys that were deleted. So the first write of PREFIX/keys
// limits it to one version, Delete and RotateDataKey destroy all versions before the present one, and they report
// success only when none of these is left. PREFIX/data-keys keeps as many versions as Vault is set to; each is part
// of the present one, as a data key is never removed: the database has what it sealed.
//
// Keys that were loaded sign and decrypt only while Vault answers: they have last loaded, both secrets and every record, at most
// Fresh plus Options.Grace ago. That Vault denies access to one of them is an answer, for which there is no grace. If
// PREFIX/keys is deleted in Vault, signing ends with the next loading; it can be undeleted, and nothing is written
// before that.
//
// Invariant: whatever is written is written by check-and-set on the version that it was made from, with the
// private part under the newest data key; what was read is used only if every record in it opens.
package vaultkv
