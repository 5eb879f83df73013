// Package telemetry is what operators see of a running Signet: metrics for Prometheus, and traces for an
// OpenTelemetry collector. names.go has every name; nothing else makes one up.
//
// Invariant: no secret, token or query reaches a label or an attribute, and a label's values are a closed set or
// bounded by configuration, so that no stranger's request can make a series or a trace.
package telemetry
