// Package processtest has what tests share that start other programs: ports that stay theirs, and when a pause has
// come into effect.
//
// Invariant: no port is given out twice in one test binary.
package processtest
