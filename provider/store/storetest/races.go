package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"signet/provider/oauth"
	"signet/provider/store"
)

// singleUse is an operation of which one attempt may succeed. key is unique to a round, attempt to an
// attempt of it.
type singleUse struct {
	name    string
	prepare func(key string) []oauth.Change
	attempt func(key, attempt string) []oauth.Change
}

// singleUses lists them. Every attempt also records an audit entry, which only the winner's may remain.
var singleUses = []singleUse{
	{
		"assertion", nil,
		func(key, _ string) []oauth.Change { return []oauth.Change{assertion(key)} },
	}, {
		"proof", nil,
		func(key, _ string) []oauth.Change { return []oauth.Change{proof(key)} },
	}, {
		"pushed request", func(key string) []oauth.Change { return []oauth.Change{oauth.StorePushed{Pushed: pushed(key)}} },
		func(key, _ string) []oauth.Change {
			return []oauth.Change{oauth.UsePushed{Digest: digest(key), At: now}}
		},
	}, {
		"grant replaced", func(key string) []oauth.Change { return []oauth.Change{oauth.StoreGrant{Grant: grant(key)}} },
		func(key, _ string) []oauth.Change {
			return []oauth.Change{assertion(key), merged(grant(key), now)}
		},
	}, {
		"backchannel answer", func(key string) []oauth.Change {
			return []oauth.Change{oauth.StoreBackchannel{Request: backchannel(key)}}
		},
		func(key, attempt string) []oauth.Change {
			status := oauth.BackchannelApproved
			if len(attempt)%2 == 0 {
				status = oauth.BackchannelDenied
			}
			return []oauth.Change{oauth.StoreGrant{Grant: grant(attempt)}, answered(backchannel(key), status, attempt)}
		},
	}, {
		"backchannel poll", func(key string) []oauth.Change {
			return []oauth.Change{oauth.StoreBackchannel{Request: backchannel(key)}}
		},
		func(key, _ string) []oauth.Change {
			return []oauth.Change{oauth.PollBackchannel{Digest: digest(key), Seen: now, NextPoll: now.Add(5 * time.Second), Interval: 5}}
		},
	}, {
		"backchannel redemption", prepareApproved,
		func(key, attempt string) []oauth.Change {
			return []oauth.Change{assertion(attempt), oauth.ExtendGrant{GrantID: key, ExpiresAt: now.Add(1e6 * time.Hour)}, redeemBackchannel(key)}
		},
	}, {
		"device user code", nil,
		func(key, attempt string) []oauth.Change {
			r := device(attempt)
			r.UserCode = digest(key)
			return []oauth.Change{oauth.StoreDevice{Request: r}}
		},
	}, {
		"device answer", func(key string) []oauth.Change { return []oauth.Change{oauth.StoreDevice{Request: device(key)}} },
		func(key, attempt string) []oauth.Change {
			status := oauth.DeviceApproved
			if len(attempt)%2 == 0 {
				status = oauth.DeviceDenied
			}
			return []oauth.Change{oauth.StoreGrant{Grant: grant(attempt)}, deviceAnswer(device(key), status, attempt)}
		},
	}, {
		"device poll", func(key string) []oauth.Change { return []oauth.Change{oauth.StoreDevice{Request: device(key)}} },
		func(key, _ string) []oauth.Change {
			return []oauth.Change{oauth.PollDevice{Digest: digest(key), Seen: now, NextPoll: now.Add(5 * time.Second), Interval: 5}}
		},
	}, {
		"device redemption", prepareDeviceApproved,
		func(key, attempt string) []oauth.Change {
			return []oauth.Change{assertion(attempt), oauth.ExtendGrant{GrantID: key, ExpiresAt: now.Add(1e6 * time.Hour)}, redeemDevice(key)}
		},
	}, {
		"refresh rotation of a derived grant", func(key string) []oauth.Change {
			token := refresh(key, key)
			token.Derived = true
			return []oauth.Change{oauth.StoreGrant{Grant: grant(key + "-root")}, derived(key, key+"-root", ""), oauth.StoreRefresh{Token: token}}
		},
		func(key, attempt string) []oauth.Change {
			next := rotate(key, attempt, key)
			next.New.Derived = true
			return []oauth.Change{assertion(attempt), next}
		},
	}, {
		"code", prepareCode,
		func(key, _ string) []oauth.Change { return []oauth.Change{redeem(key)} },
	}, {
		// The conflict comes last, when the attempt has changed other things.
		"code, whole request", prepareCode,
		func(key, attempt string) []oauth.Change {
			return []oauth.Change{assertion(attempt), oauth.ExtendGrant{GrantID: key, ExpiresAt: now.Add(1e6 * time.Hour)}, redeem(key)}
		},
	}, {
		"first refresh token", func(key string) []oauth.Change { return []oauth.Change{oauth.StoreGrant{Grant: grant(key)}} },
		func(key, attempt string) []oauth.Change {
			return []oauth.Change{oauth.StoreRefresh{Token: refresh(attempt, key)}}
		},
	}, {
		"first refresh token of a changed grant", prepareRefresh,
		func(key, attempt string) []oauth.Change {
			return []oauth.Change{oauth.CheckGrant{GrantID: key}, oauth.SupersedeRefresh{Token: refresh(attempt, key)}}
		},
	}, {
		"refresh rotation", prepareRefresh,
		func(key, attempt string) []oauth.Change { return []oauth.Change{rotate(key, attempt, key)} },
	}, {
		"refresh rotation, whole request", prepareRefresh,
		func(key, attempt string) []oauth.Change {
			return []oauth.Change{assertion(attempt), rotate(key, attempt, key)}
		},
	}, {
		// Reads first: the transaction must have taken the write lock before.
		"refresh token kept", prepareRefresh,
		func(key, _ string) []oauth.Change {
			return []oauth.Change{oauth.UseRefresh{Digest: digest(key), GrantID: key}, assertion(key)}
		},
	}, {
		"interaction", func(key string) []oauth.Change {
			return []oauth.Change{oauth.StoreInteraction{Interaction: oauth.Interaction{Digest: digest(key), ExpiresAt: now.Add(time.Hour)}}}
		},
		func(key, _ string) []oauth.Change {
			return []oauth.Change{oauth.FinishInteraction{Digest: digest(key)}}
		},
	}, {
		// What else the logout does goes with who ended the session.
		"logout", func(key string) []oauth.Change {
			return []oauth.Change{oauth.StoreSession{Session: oauth.Session{Digest: digest(key), User: endUser(), ExpiresAt: now.Add(time.Hour)}}}
		},
		func(key, attempt string) []oauth.Change {
			return []oauth.Change{assertion(attempt), oauth.EndSession{Digest: digest(key), Present: true}, oauth.LeaveSession{SessionID: key}}
		},
	}, {
		"client", nil,
		func(key, _ string) []oauth.Change {
			return []oauth.Change{oauth.StoreClient{Client: client(key), New: true}}
		},
	}, {
		"registration", func(key string) []oauth.Change {
			return []oauth.Change{oauth.StoreClient{Client: client(key), New: true}}
		},
		func(key, attempt string) []oauth.Change {
			changed := client(key)
			changed.Name = attempt
			return []oauth.Change{oauth.ReplaceClient{Client: changed, Seen: client(key)}}
		},
	}, {
		"username", nil,
		func(key, attempt string) []oauth.Change {
			return []oauth.Change{oauth.StoreUser{User: user(attempt, key), New: true}}
		},
	},
}

func assertion(jti string) oauth.UseAssertion {
	return oauth.UseAssertion{ClientID: "tpp", JTI: jti, Until: now.Add(time.Minute)}
}

func redeem(key string) oauth.RedeemCode {
	return oauth.RedeemCode{Digest: digest(key), GrantID: key, At: now}
}

func prepareCode(key string) []oauth.Change {
	return []oauth.Change{oauth.StoreGrant{Grant: grant(key)}, oauth.StoreCode{Code: code(key, key)}}
}

func prepareRefresh(key string) []oauth.Change {
	return []oauth.Change{oauth.StoreGrant{Grant: grant(key)}, oauth.StoreRefresh{Token: refresh(key, key)}}
}

// race makes attempts at once and returns how many won; any failure but a conflict is an error.
func (op singleUse) race(ctx context.Context, b Backend, key, racer string, attempts int) (won int, err error) {
	errs := make([]error, attempts)
	var ready, done sync.WaitGroup
	start := make(chan struct{})
	ready.Add(attempts)
	for i := range attempts {
		done.Go(func() {
			attempt := fmt.Sprintf("%s/%s%d", key, racer, i)
			e := entry(attempt)
			e.RequestID = key
			changes := append(op.attempt(key, attempt), oauth.RecordAudit{Entry: e})
			ready.Done()
			<-start
			errs[i] = b.Commit(ctx, changes...)
		})
	}
	ready.Wait()
	close(start)
	done.Wait()
	for _, e := range errs {
		var conflict *oauth.Conflict
		switch {
		case e == nil:
			won++
		case !errors.As(e, &conflict):
			err = errors.Join(err, e)
		}
	}
	return won, err
}

// check wants one winner, and nothing of the others.
func (op singleUse) check(t *testing.T, b Backend, key string, won int, err error) {
	t.Helper()
	if err != nil || won != 1 {
		t.Fatalf("%s: %d attempts succeeded, want 1 (%v)", key, won, err)
	}
	entries, err := b.AuditEntries(t.Context(), store.AuditFilter{RequestID: key})
	if err != nil || len(entries) != 1 {
		t.Fatalf("%s: %d audit entries, want the winner's (%v)", key, len(entries), err)
	}
}

func (e Effort) testRaces(t *testing.T, b Backend) {
	for _, op := range singleUses {
		t.Run(op.name, func(t *testing.T) {
			for round := range e.Races {
				key := fmt.Sprintf("%s-%d", op.name, round)
				if op.prepare != nil {
					commit(t, b, op.prepare(key)...)
				}
				won, err := op.race(t.Context(), b, key, "", 20)
				op.check(t, b, key, won, err)
			}
		})
	}
}
