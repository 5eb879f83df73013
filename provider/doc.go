// Package provider puts the house together: configuration, the registries of grants and client
// authentication methods, the route table, and the two doors.
//
// Invariant: what discovery says is what is registered here, and both doors serve the same handlers.
package provider
