// Package deliver sends what this server owes others: messages that were committed as deliveries, together with what
// they tell of, and are sent afterwards, at least once, by whichever process claims them. The features that queue
// them say how each kind is sent ([Kind]); who waits for whom, for how long, and when one is given up is decided here.
//
// Invariant: a delivery ends only by a commit, delivered or given up, with what its kind has to say about that; until
// then it comes again, whoever crashes. A receiver that does not answer holds up nobody else's deliveries.
package deliver
