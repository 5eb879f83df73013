package transit

import "context"

// Caller is what tests put between the backend and Vault.
type Caller = caller

// Calls is the Caller that Open uses.
func (o Options) Calls() Caller { return client{o.Client} }

// OpenWith is Open with another Caller.
func OpenWith(ctx context.Context, opt Options, calls Caller) (*Backend, error) {
	return open(ctx, opt, calls)
}

// MaxBatch is the most items that a call may have.
const MaxBatch = maxBatch

// ProofFor is how long a signature counts for a probe.
const ProofFor = proofFor
