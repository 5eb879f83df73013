// Package vaulttest starts a real Vault for tests, as a plain process: the vault or bao on PATH, otherwise the
// server in the folder beside this file, which .ci/vault builds from Vault's own modules.
//
// Invariant: a test never goes without Vault. What is missing fails it, with the command that helps.
package vaulttest
