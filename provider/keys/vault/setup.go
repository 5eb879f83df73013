package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"signet/provider/oauth"
)

// State is what Vault has of a [Step].
type State string

// The states of a step.
const (
	Unknown  State = "unknown"  // nobody has looked
	There    State = "there"    // as it should be
	Missing  State = "missing"  // Apply makes it
	Differs  State = "differs"  // Apply changes it
	Conflict State = "conflict" // something else is in its place; Apply leaves it alone
)

// Step is one thing that Signet needs in Vault.
type Step struct {
	What    string `json:"what"` // "policy signet-serve"
	State   State  `json:"state"`
	Detail  string `json:"detail,omitempty"`  // what differs, or is in the way
	Command string `json:"command"`           // for vault's own command line: the same as Apply
	Applied bool   `json:"applied,omitempty"` // Apply has made or changed it

	path  string         // to write to
	data  map[string]any // to write
	read  string         // to look at; "" = path
	entry string         // of what is read, if that is a table
	// judge compares what is there with data.
	judge func(found, data map[string]any) (State, string)
}

// ErrConflict: something else is where Signet's things should be. Nothing was changed.
var ErrConflict = errors.New("something else is in the way")

// Check looks at every step and sets its State. It changes nothing in Vault.
func (c *Client) Check(ctx context.Context, steps []Step) error {
	for i := range steps {
		if err := c.check(ctx, &steps[i]); err != nil {
			return fmt.Errorf("looking for the %s: %w", steps[i].What, err)
		}
	}
	return nil
}

func (c *Client) check(ctx context.Context, s *Step) error {
	path := s.read
	if path == "" {
		path = s.path
	}
	secret, err := c.Read(ctx, path, nil)
	if err != nil {
		return err
	}
	var found map[string]any
	if secret != nil {
		found = secret.Data
	}
	if s.entry != "" {
		found, _ = found[s.entry].(map[string]any)
	}
	s.State, s.Detail = Missing, ""
	if found != nil {
		s.State, s.Detail = s.judge(found, s.data)
	}
	return nil
}

// Apply checks the steps and then makes what is missing and changes what differs, in order. With a conflict
// anywhere it changes nothing and fails with ErrConflict.
func (c *Client) Apply(ctx context.Context, steps []Step) error {
	if err := c.Check(ctx, steps); err != nil {
		return err
	}
	for _, s := range steps {
		if s.State == Conflict {
			return fmt.Errorf("%s: %s: %w", s.What, s.Detail, ErrConflict)
		}
	}
	for i := range steps {
		s := &steps[i]
		if s.State == There {
			continue
		}
		if _, err := c.Write(ctx, s.path, s.data); err != nil {
			return fmt.Errorf("making the %s: %w", s.What, err)
		}
		if err := c.awaitStep(ctx, s); err != nil {
			return fmt.Errorf("looking for the %s: %w", s.What, err)
		}
		if s.State != There {
			return fmt.Errorf("the %s was written, but is still not as it should be: %s %s", s.What, s.State, s.Detail)
		}
		s.Applied = true
	}
	return nil
}

// settleTime bounds how long a new KV mount prepares itself.
const settleTime = 30 * time.Second

// awaitStep looks at a step that has just been made. A new KV version 2 mount refuses everything for a moment.
func (c *Client) awaitStep(ctx context.Context, s *Step) error {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	for {
		err := c.check(ctx, s)
		if err == nil && s.data["type"] == "kv" {
			_, err = c.Read(ctx, strings.TrimPrefix(s.path, "sys/mounts/")+"/config", nil)
		}
		if err == nil || !errors.Is(err, oauth.ErrUnavailable) {
			return err
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return err
		}
	}
}

// sameFields judges a role: every field that we set has our value.
func sameFields(found, data map[string]any) (State, string) {
	var different []string
	for _, key := range slices.Sorted(maps.Keys(data)) {
		if plain(found[key]) != plain(data[key]) {
			different = append(different, key)
		}
	}
	if len(different) > 0 {
		return Differs, "other " + strings.Join(different, ", ")
	}
	return There, ""
}

// plain makes values comparable whose types JSON has changed. The order in a list means nothing to Vault.
func plain(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case []any:
		var list []string
		for _, item := range v {
			list = append(list, plain(item))
		}
		slices.Sort(list)
		return strings.Join(list, ",")
	case []string:
		return strings.Join(slices.Sorted(slices.Values(v)), ",")
	case json.Number:
		return v.String()
	case string:
		return strings.TrimSpace(v)
	default:
		return fmt.Sprint(v)
	}
}
