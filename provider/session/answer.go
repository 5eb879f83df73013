package session

// The fields of the form in which the user answers an authorization request. The page that shows the form
// and the endpoint that reads it do not know each other; this is what they agree on.
const (
	// FieldDecision is [DecisionApprove] or [DecisionDeny]; anything else is refused.
	FieldDecision = "decision"
	// FieldSession is the public session id ("sid") of the user whose name the page showed.
	FieldSession = "session"

	DecisionApprove = "approve"
	DecisionDeny    = "deny"
)
