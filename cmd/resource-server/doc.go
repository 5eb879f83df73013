// Command resource-server is a sample bank API, accounts and payments, that takes Signet's access tokens:
// what a bank's own API does with package resource, small enough to be read in one sitting.
//
// Invariant: no account and no payment leaves for a request that [resource.Verifier.Protect] refused.
package main
