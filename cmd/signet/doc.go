// Command signet is the provider and everything around it: the server, a demonstration, administration,
// and a development client.
//
// Invariant: wire.go alone names concrete backends, the system clock and the system's randomness. Every
// administrative change is committed together with its audit entry.
package main
