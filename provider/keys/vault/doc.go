// Package vault is Signet's one client of a HashiCorp Vault (or OpenBao): it logs in, keeps its token alive, logs
// in again when that ends, and reads and writes for the key backends. It also holds the policies that Signet's
// identities need in Vault (Policies).
//
// Nothing is taken from VAULT_... variables; Open fails, and names them, if Vault's library cannot even read them.
// A Vault that does not answer properly is an error that wraps
// oauth.ErrUnavailable within Options.Timeout; after a few of them in a row a breaker refuses at once and
// tries again every half second.
//
// Invariant: no secret - token, secret id, JWT, key material - is in an error or a log entry, and none that was
// obtained from Vault is written to disk.
package vault
