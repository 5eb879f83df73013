package store

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"time"

	"signet/provider/oauth"
)

// expectation says which outcome of a statement means that its change came second.
type expectation int

const (
	anything   expectation = iota // never a conflict
	rowChanged                    // a conflict when no row was changed
	rowFound                      // a query: a conflict when it finds nothing
	rowAbsent                     // a query: a conflict when it finds something
	newKey                        // a conflict when the key is taken
	knownKey                      // a taken key is fine and changes nothing
)

// op is one statement of a commit.
type op struct {
	text   string
	args   []driver.NamedValue
	expect expectation
	change oauth.Change // named in the conflict
}

// plan is what a commit will execute. It is made by the caller's goroutine, so that encoding does not
// hold up the one that writes.
type plan struct {
	ops     []op
	clients []string // ids to drop from the cache
}

// do adds a statement.
func (p *plan) do(change oauth.Change, expect expectation, text string, args ...driver.Value) {
	p.ops = append(p.ops, op{text: text, args: values(args...), expect: expect, change: change})
}

func newPlan(changes []oauth.Change) (plan, error) {
	p := plan{ops: make([]op, 0, 2*len(changes))}
	for _, change := range changes {
		if err := fits(change); err != nil {
			return plan{}, err
		}
		if err := p.add(change); err != nil {
			return plan{}, err
		}
	}
	return p, nil
}

// add is the list of all changes; each is implemented in the file of its aggregate.
func (p *plan) add(change oauth.Change) error {
	switch c := change.(type) {
	case oauth.UseAssertion:
		p.useAssertion(c)
	case oauth.UseProof:
		p.useProof(c)
	case oauth.StoreNonce:
		p.storeNonce(c)
	case oauth.StorePushed:
		return p.storePushed(c)
	case oauth.UsePushed:
		p.usePushed(c)
	case oauth.StoreCode:
		return p.storeCode(c)
	case oauth.RedeemCode:
		p.redeemCode(c)
	case oauth.BurnCode:
		p.burnCode(c)
	case oauth.StoreGrant:
		return p.storeGrant(c)
	case oauth.ReplaceGrant:
		return p.replaceGrant(c)
	case oauth.CheckGrant:
		p.checkGrant(c)
	case oauth.ExtendGrant:
		p.extendGrant(c)
	case oauth.RevokeGrant:
		p.revokeGrant(c)
	case oauth.RevokeSession:
		p.revokeSession(c)
	case oauth.DeriveGrant:
		return p.deriveGrant(c)
	case oauth.UseGrant:
		p.useGrant(c)
	case oauth.StoreRefresh:
		return p.storeRefresh(c)
	case oauth.SupersedeRefresh:
		return p.supersedeRefresh(c)
	case oauth.ReplaceRefresh:
		return p.replaceRefresh(c)
	case oauth.UseRefresh:
		p.useRefresh(c)
	case oauth.StoreOpaque:
		return p.storeOpaque(c)
	case oauth.RevokeAccessToken:
		p.revokeAccessToken(c)
	case oauth.StoreInteraction:
		return p.storeInteraction(c)
	case oauth.UpdateInteraction:
		return p.updateInteraction(c)
	case oauth.FinishInteraction:
		p.finishInteraction(c)
	case oauth.StoreSession:
		return p.storeSession(c)
	case oauth.EndSession:
		p.endSession(c)
	case oauth.JoinSession:
		return p.joinSession(c)
	case oauth.ProlongSession:
		p.prolongSession(c)
	case oauth.LeaveSession:
		p.leaveSession(c)
	case oauth.ForgetConsent:
		p.do(c, anything, forgetConsent, c.UserID, c.ClientID)
	case oauth.RememberConsent:
		p.rememberConsent(c)
	case oauth.StoreClient:
		return p.storeClient(c)
	case oauth.ReplaceClient:
		return p.replaceClient(c)
	case oauth.StoreUser:
		return p.storeUser(c)
	case oauth.RecordAudit:
		return p.recordAudit(c)
	case oauth.StoreBackchannel:
		return p.storeBackchannel(c)
	case oauth.AnswerBackchannel:
		return p.answerBackchannel(c)
	case oauth.PollBackchannel:
		p.pollBackchannel(c)
	case oauth.RedeemBackchannel:
		p.redeemBackchannel(c)
	case oauth.StoreDevice:
		return p.storeDevice(c)
	case oauth.AnswerDevice:
		return p.answerDevice(c)
	case oauth.PollDevice:
		p.pollDevice(c)
	case oauth.RedeemDevice:
		p.redeemDevice(c)
	case oauth.StoreDelivery:
		return p.storeDelivery(c)
	case oauth.RetryDelivery:
		p.retryDelivery(c)
	case oauth.FinishDelivery:
		p.finishDelivery(c)
	case oauth.Announce:
		return p.announce(c)
	default:
		return fmt.Errorf("store: unknown change %T", change)
	}
	return nil
}

// encode makes a data column.
func encode(v any) (string, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("store: %T does not encode: %w", v, err)
	}
	if len(raw) > maxData {
		return "", fmt.Errorf("store: %T has %d bytes, at most %d are kept", v, len(raw), maxData)
	}
	return string(raw), nil
}

// micros is a time in a key column. Any time.Time fits, the zero one too.
func micros(t time.Time) int64 { return t.UnixMicro() }

// timeOf reads a key column back.
func timeOf(v driver.Value) time.Time { return time.UnixMicro(integer(v)).UTC() }
