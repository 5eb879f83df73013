// Package audit names what is worth remembering, makes the entries, and keeps them safe on the way to
// the store when a request commits nothing else.
//
// Invariant: an entry whose [Spool.Add] returned nil reaches the sink, also when the process is killed
// at once afterwards; an entry that cannot be kept makes Add fail, and the caller denies the request.
package audit
