package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/user"

	"signet/provider"
	"signet/provider/audit"
	"signet/provider/clientauth"
	"signet/provider/keys"
	"signet/provider/oauth"
)

// registrar makes administrative changes: each is checked, and committed together with its audit entry.
type registrar struct {
	system
	db     database
	sealer keys.Sealer // needed for client_secret_jwt alone
	config provider.Config
}

// commit applies the change and its audit entry at once. The entry names the account that ran the command.
func (r *registrar) commit(ctx context.Context, event audit.Event, about oauth.AuditEntry, changes ...oauth.Change) error {
	if about.Detail == nil {
		about.Detail = map[string]any{}
	}
	about.Detail["by"] = operator()
	entry, err := audit.NewRecorder(r.clock, r.random).Change(event, about)
	if err != nil {
		return err
	}
	return r.db.Commit(ctx, append(changes, entry)...)
}

// operator is the account on this machine, for the audit log.
func operator() string {
	if account, err := user.Current(); err == nil && account.Username != "" {
		return "os:" + account.Username
	}
	return fmt.Sprintf("os:uid=%d", os.Getuid())
}

// addClient registers a client that does not exist yet.
func (r *registrar) addClient(ctx context.Context, client oauth.Client, secret oauth.Secret) (oauth.Client, error) {
	client.CreatedAt = r.clock().UTC()
	if err := clientauth.KeepSecret(ctx, r.sealer, r.random, &client, secret); err != nil {
		return client, err
	}
	if err := r.validate(&client); err != nil {
		return client, err
	}
	err := r.commit(ctx, audit.ClientAdded, oauth.AuditEntry{ClientID: client.ID}, oauth.StoreClient{Client: client, New: true})
	if conflict := (*oauth.Conflict)(nil); errors.As(err, &conflict) {
		err = next(fmt.Errorf("the client %q exists already", client.ID), "choose another id, or look at it: signet client show %s", client.ID)
	}
	return client, err
}

// changeClient replaces a client's registration; secret "" leaves its secret as it is.
func (r *registrar) changeClient(ctx context.Context, client oauth.Client, secret oauth.Secret, event audit.Event) error {
	if secret != "" {
		if err := clientauth.KeepSecret(ctx, r.sealer, r.random, &client, secret); err != nil {
			return err
		}
	}
	if err := r.validate(&client); err != nil {
		return err
	}
	return r.commit(ctx, event, oauth.AuditEntry{ClientID: client.ID}, oauth.StoreClient{Client: client})
}

func (r *registrar) validate(client *oauth.Client) error {
	faults := provider.ValidateClient(client, r.config)
	if len(faults) == 0 {
		return nil
	}
	return next(fmt.Errorf("the registration of %q is not right:\n%w", client.ID, errors.Join(faults...)),
		"correct the fields above; \"signet client add --help\" shows how each is given")
}

func jsonEqual(a, b json.RawMessage) bool {
	var left, right bytes.Buffer
	if json.Compact(&left, a) != nil || json.Compact(&right, b) != nil {
		return bytes.Equal(a, b)
	}
	return bytes.Equal(left.Bytes(), right.Bytes())
}
