// Package web reads requests without losing anything and writes the answers: forms, JSON, errors.
// What wraps every handler (request ids, panics, the access log, security headers) is here too.
//
// Invariant: error.go is the only place where an error becomes a status, a header or a body, and no
// private cause passes it.
package web
