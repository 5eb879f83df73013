// Package conformance runs the plans of the OpenID Foundation's conformance suite against a provider: it speaks to
// the suite's REST API, waits for each module, takes the pictures that the suite asks for, compares what came out
// with what is expected, and reports it. Which plans exist is in plans/, which deviations are accepted, each with
// its reason, in expected/.
//
// Invariant: a run ends, whatever the suite or the provider does, and it is good only when every module ended by
// itself with a result that is PASSED or expected, and nothing that was expected failed to appear.
package conformance
