package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"signet/provider/audit"
	"signet/provider/clientauth"
	"signet/provider/oauth"
)

// How long an old secret may count beside the new one.
const (
	leastKept = time.Minute
	mostKept  = 90 * 24 * time.Hour
)

// newSecret is what "client secret" prints: the new secret, this once.
type newSecret struct {
	ClientID string `json:"client_id"`
	Secret   string `json:"client_secret,omitempty"`
	// FormerUntil is until when the secret before counts, too; absent = it has ended.
	FormerUntil *time.Time `json:"former_client_secret_until,omitempty"`
}

func (c *console) clientSecretCommand() *cobra.Command {
	var (
		kept time.Duration
		end  bool
	)
	cmd := &cobra.Command{
		Use:   "secret CLIENT",
		Short: "Give a client a new secret; the old one may count for a while",
		Long: `Makes a new secret for a client that authenticates by one. It is printed now and never again.

The old secret ends at once, unless --keep-old says for how long both are accepted: the time in which
whoever runs the client changes over. --end-old ends the old one early and makes no new one.`,
		Example: `  signet client secret shop --keep-old 24h
  signet client secret shop --end-old
  signet client secret shop`,
		Args: exactArgs("CLIENT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch keeping := cmd.Flags().Changed("keep-old"); {
			case end && keeping:
				return next(errors.New("--keep-old and --end-old say opposite things"), "signet client secret --help")
			case keeping && (kept < leastKept || kept > mostKept):
				return next(fmt.Errorf("--keep-old: want %v to %v", leastKept, mostKept), "signet client secret %s --keep-old 24h", args[0])
			case end:
				return c.endOldSecret(cmd.Context(), args[0])
			}
			return c.replaceSecret(cmd.Context(), args[0], kept)
		},
	}
	cmd.Flags().DurationVar(&kept, "keep-old", 0, "for how long the old secret is accepted, too, like 24h")
	cmd.Flags().BoolVar(&end, "end-old", false, "accept the old secret no more")
	return cmd
}

// replaceSecret opens the key backend for the one method whose secrets are sealed.
func (c *console) replaceSecret(ctx context.Context, id string, kept time.Duration) error {
	sealed := false
	if err := c.withRegistrar(ctx, false, func(r *registrar) error {
		client, err := r.client(ctx, id)
		sealed = err == nil && client.AuthMethod == oauth.AuthSecretJWT
		return err
	}); err != nil {
		return err
	}
	return c.withRegistrar(ctx, sealed, func(r *registrar) error {
		made, err := r.replaceSecret(ctx, id, kept)
		if err != nil {
			return err
		}
		if c.json {
			return writeJSON(c.out, made)
		}
		old := "The old one has ended."
		if made.FormerUntil != nil {
			old = fmt.Sprintf("The old one is accepted until %s; end it earlier: signet client secret %s --end-old", when(*made.FormerUntil), id)
		}
		_, err = fmt.Fprintf(c.out, "The new client secret of %s, shown this once:\n\n  %s\n\n%s\n", id, made.Secret, old)
		return err
	})
}

// replaceSecret gives the client a new secret; the old one counts for as long as kept says.
func (r *registrar) replaceSecret(ctx context.Context, id string, kept time.Duration) (made newSecret, err error) {
	client, err := r.client(ctx, id)
	if err != nil {
		return made, err
	}
	now := r.clock().UTC()
	switch former := clientauth.Former(client, now); {
	case client.Removed:
		return made, next(fmt.Errorf("%s has unregistered: that is for good", id), "register a new client")
	case !clientauth.KeepsSecret(client):
		return made, next(fmt.Errorf("%s authenticates by %s and has no secret", id, client.AuthMethod), "look at it: signet client show %s", id)
	case kept > 0 && former != nil:
		return made, next(fmt.Errorf("%s has an old secret already, accepted until %s: there can be one", id, when(former.Until)),
			"end it first: signet client secret %s --end-old", id)
	}
	changed := *client
	secret, err := clientauth.NewSecret(r.random, &changed)
	if err != nil {
		return made, err
	}
	made = newSecret{ClientID: id, Secret: secret.Reveal()}
	var until time.Time
	detail := map[string]any{"client_secret": "replaced"}
	if kept > 0 {
		until = now.Add(kept).Truncate(time.Second)
		made.FormerUntil, detail["former_client_secret_until"] = &until, until.Format(time.RFC3339)
	}
	if err := clientauth.ReplaceSecret(ctx, r.sealer, r.random, &changed, secret, until); err != nil {
		return made, err
	}
	return made, r.commitSecret(ctx, detail, changed, *client)
}

func (c *console) endOldSecret(ctx context.Context, id string) error {
	return c.withRegistrar(ctx, false, func(r *registrar) error {
		client, err := r.client(ctx, id)
		if err != nil {
			return err
		}
		ended := newSecret{ClientID: id}
		if client.Former == nil {
			return c.done(ended, "%s has no old secret", id)
		}
		changed := *client
		changed.Former = nil
		if err := r.commitSecret(ctx, map[string]any{"former_client_secret": "ended"}, changed, *client); err != nil {
			return err
		}
		return c.done(ended, "%s's old secret is accepted no more", id)
	})
}

// commitSecret commits a change of a client's secrets, unless the client has changed since it was read: nobody is shown a
// secret that another command has replaced.
func (r *registrar) commitSecret(ctx context.Context, detail map[string]any, changed, seen oauth.Client) error {
	err := r.commit(ctx, audit.ClientChanged, oauth.AuditEntry{ClientID: seen.ID, Detail: detail},
		oauth.ReplaceClient{Client: changed, Seen: seen})
	if conflict := (*oauth.Conflict)(nil); errors.As(err, &conflict) {
		return next(fmt.Errorf("%s was changed by somebody else at the same time: nothing was done", seen.ID), "run the command again")
	}
	return err
}
