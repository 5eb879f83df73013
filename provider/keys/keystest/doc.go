// Package keystest has the contract of keys.Backend as a test suite, and a backend in memory for the tests of
// other packages.
//
// Invariant: what the suite asks for is what keys.Ring relies on; every backend runs it unchanged.
package keystest
