package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"signet/provider/oauth"
)

// testGrantTrees compares trees of grants and tokens with a model: random derivations, exchanges and revocations; what
// has anything revoked above it has ended, and nothing else.
func (e Effort) testGrantTrees(t *testing.T, b Backend) {
	var trees int
	passed, failed := 0, false
	rapid.Check(t, func(r *rapid.T) {
		if passed >= e.Sequences && !failed { // a failing one is executed again to make it shorter
			return
		}
		failed = true
		trees++
		f := &forest{b: b, t: t, name: fmt.Sprintf("t%d-", trees)}
		f.plant(r)
		r.Repeat(map[string]func(*rapid.T){
			"": f.invariant, "plant": f.plant, "issue": f.issue, "exchange": f.exchange, "derive": f.derive, "revoke": f.revoke,
		})
		passed, failed = passed+1, false
	})
}

// forest is the model: grants and tokens, each with what it was made from.
type forest struct {
	b    Backend
	t    *testing.T
	name string
	all  []*modelNode
}

type modelNode struct {
	id      string // of a grant, or a jti
	grant   string // of a token: the grant behind it
	from    []*modelNode
	revoked bool
}

// ended is the rule in one line.
func (n *modelNode) ended() bool { return n.revoked || slices.ContainsFunc(n.from, (*modelNode).ended) }

func (f *forest) add(n *modelNode) { f.all = append(f.all, n) }

// some draws a grant or a token; nil when there is none yet.
func (f *forest) some(r *rapid.T, token bool) *modelNode {
	var found []*modelNode
	for _, n := range f.all {
		if (n.grant != "") == token {
			found = append(found, n)
		}
	}
	if found == nil {
		return nil
	}
	return rapid.SampledFrom(found).Draw(r, "which")
}

func (f *forest) plant(*rapid.T) {
	n := &modelNode{id: fmt.Sprint(f.name, len(f.all))}
	commit(f.t, f.b, oauth.StoreGrant{Grant: grant(n.id)})
	f.add(n)
}

// issue makes a token from a grant. Nobody stores it: its jti is all that there is.
func (f *forest) issue(r *rapid.T) {
	g := f.some(r, false)
	f.add(&modelNode{id: fmt.Sprint(g.id, ".", len(f.all)), grant: g.id, from: []*modelNode{g}})
}

// exchange makes a token from a token, of the same grant.
func (f *forest) exchange(r *rapid.T) {
	parent := f.some(r, true)
	if parent == nil {
		return
	}
	if jti, ok := oauth.ChildID(parent.id, fmt.Sprint(len(f.all))); ok {
		f.add(&modelNode{id: jti, grant: parent.grant, from: []*modelNode{parent}})
	}
}

// derive makes a grant from a token, or from a grant's refresh token, as which no jti stands.
func (f *forest) derive(r *rapid.T) {
	n := &modelNode{id: fmt.Sprint(f.name, len(f.all))}
	var change oauth.DeriveGrant
	if parent := f.some(r, rapid.Bool().Draw(r, "by token")); parent == nil {
		return
	} else if n.from = []*modelNode{parent}; parent.grant != "" {
		change = derived(n.id, parent.grant, parent.id)
	} else {
		change = derived(n.id, parent.id, "")
	}
	err := f.b.Commit(f.t.Context(), change)
	var conflict *oauth.Conflict
	switch ended := n.ended(); {
	case ended && !errors.As(err, &conflict):
		r.Fatalf("derived from what has ended: %v", err)
	case !ended && err != nil:
		r.Fatalf("not derived: %v", err)
	case !ended:
		f.add(n)
	}
}

func (f *forest) revoke(r *rapid.T) {
	n := rapid.SampledFrom(f.all).Draw(r, "revoked")
	var change oauth.Change = oauth.RevokeGrant{GrantID: n.id, At: now}
	if n.grant != "" {
		change = revokeToken(n.id)
	}
	commit(f.t, f.b, change)
	n.revoked = true
}

func (f *forest) invariant(r *rapid.T) {
	for _, n := range f.all {
		jti, id := n.id, n.grant
		if id == "" {
			jti, id = n.id+".any", n.id
		}
		if got, err := f.b.Revoked(f.t.Context(), jti, id); err != nil || got != n.ended() {
			r.Fatalf("Revoked(%s, %s) = %v, %v; want %v", jti, id, got, err, n.ended())
		}
	}
}
