// Package store keeps Signet's state: clients, users, grants, pushed, backchannel and device requests, codes, tokens,
// sessions, who took part in them, what may be used once, what is to be delivered, and the audit log.
// Open takes a DSN; each aggregate has its own file; all writing goes through [Store.Commit].
//
// Invariant: a commit is all or nothing, and durable when Commit returns nil. What may happen only once
// is decided by the number of rows that one conditional statement changed, never by reading first, so it
// holds between requests of one process and between processes on one database.
//
// Codes, tokens and session cookies are kept as digests only. Times in key columns are rounded down to
// microseconds. One text of each statement serves every database; what one does its own way is in [dialect].
//
// A failure of the database is an [oauth.ErrUnavailable]. Over a network a transaction that was undone (a
// deadlock, a conflict in a cluster) or whose connection was lost is executed again, after its outcome has
// been made certain (see mark.go).
package store
