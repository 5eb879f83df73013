// Package storetest is the contract that every store keeps, as a test suite: a backend passes it or is
// not a store. Run is the suite inside one process; RunProcesses races two processes on one database and
// kills one at work, for which the backend's TestMain calls Main.
//
// Invariant: the suite speaks to a store through [Backend] alone, and backends are opened with [Clock].
package storetest
