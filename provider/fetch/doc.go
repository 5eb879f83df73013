// Package fetch is the one outbound HTTP client: it gets documents from, and sends notices to, addresses that clients have
// registered, such as a jwks_uri, without letting them reach what only this server can reach.
//
// Invariant: a connection is opened only to a public address, judged on the address that is actually dialled,
// so neither a redirect nor a name that resolves differently the second time gets around it. The hosts that
// the owner exempts by name are the only exception.
package fetch
