// Package dbtest runs real database servers for tests: MariaDB, MySQL 8 and Galera clusters, as plain
// processes on loopback with folders, ports, certificates and passwords of their own. What this machine
// lacks is an error that says how to install it; no test is skipped.
//
// The servers are harsher than most: their time zone is not UTC, their collation ignores case, MariaDB
// takes TCP connections over TLS only, and a database's user owns nothing else.
//
// Invariant: no server outlives the test binary (on Linux also when that is killed), and what a server
// acknowledged survives [Server.Kill].
package dbtest
