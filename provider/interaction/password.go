package interaction

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/alexedwards/argon2id"

	"signet/provider/oauth"
)

// Authenticator finds out who somebody is. Passwords is the built-in one.
type Authenticator interface {
	// Authenticate returns the user's ID, ACR and AMR. It returns *BadCredentials when they are wrong, and
	// must then take as long for an unknown username as for a wrong password; any other error means that
	// it could not find out.
	Authenticate(ctx context.Context, username string, password oauth.Secret) (oauth.EndUser, error)
}

// BadCredentials is the answer to a wrong username or password. Nobody but the log and the audit log
// learns which.
type BadCredentials struct {
	UserID string // of the account that was tried; "" when there is none
	Reason string
}

// Error implements error.
func (b *BadCredentials) Error() string { return "bad credentials: " + b.Reason }

// Users finds accounts by the name they log in with; oauth.ErrNotFound, wrapped, when there is none.
type Users interface {
	UserByName(ctx context.Context, username string) (oauth.User, error)
}

// ACRPassword is the authentication context class of a login by password alone.
const ACRPassword = "urn:signet:acr:password" // #nosec G101 -- a name, not a credential

// MaxUsername is the longest username that a login accepts, in bytes.
const MaxUsername = 256

const (
	maxPassword = 1024
	// queueTime bounds the wait for one of the places for hashing.
	queueTime = 5 * time.Second
	// nobodysHash is the hash of a random password, made with hashParams: unknown users are checked
	// against it, so that they take as long as known ones.
	nobodysHash = "$argon2id$v=19$m=65536,t=3,p=4$Y62X1O4UjIYfduXppNklYw$BvRjW8PbQJbOx+/ydjWfsrR1luExfQ0A5P0Nfya2y5w"
)

// hashParams are the second recommended option of RFC 9106 section 4: 64 MiB, three passes, four lanes.
func hashParams() *argon2id.Params {
	return &argon2id.Params{Memory: 64 << 10, Iterations: 3, Parallelism: 4, SaltLength: 16, KeyLength: 32}
}

// HashPassword returns the argon2id hash in PHC form that an account keeps. It refuses an empty password
// and one of more than 1024 bytes. It takes about a tenth of a second of every core and 64 MiB.
func HashPassword(password oauth.Secret) (string, error) {
	if password == "" || len(password) > maxPassword {
		return "", fmt.Errorf("a password must have 1 to %d bytes", maxPassword)
	}
	return argon2id.CreateHash(password.Reveal(), hashParams())
}

// Passwords checks passwords against the accounts' argon2id hashes.
type Passwords struct {
	users  Users
	places chan struct{}
}

// NewPasswords makes an Authenticator that hashes at most parallel passwords at once (64 MiB each); more
// wait for a short while and are then turned away, so that a flood of logins does not exhaust the machine.
func NewPasswords(users Users, parallel int) (*Passwords, error) {
	if users == nil || parallel < 1 {
		return nil, errors.New("interaction: users and at least one place for hashing are required")
	}
	return &Passwords{users: users, places: make(chan struct{}, parallel)}, nil
}

// Authenticate implements Authenticator.
func (p *Passwords) Authenticate(ctx context.Context, username string, password oauth.Secret) (oauth.EndUser, error) {
	user, err := p.users.UserByName(ctx, strings.TrimSpace(username))
	unknown := errors.Is(err, oauth.ErrNotFound)
	if err != nil && !unknown {
		return oauth.EndUser{}, err
	}
	hash := user.PasswordHash
	if unknown || hash == "" {
		hash = nobodysHash
	}
	match, err := p.compare(ctx, password, hash)
	switch {
	case err != nil:
		return oauth.EndUser{}, err
	case unknown:
		return oauth.EndUser{}, &BadCredentials{Reason: "unknown username"}
	case user.PasswordHash == "":
		return oauth.EndUser{}, &BadCredentials{UserID: user.ID, Reason: "the account has no password"}
	case !match:
		return oauth.EndUser{}, &BadCredentials{UserID: user.ID, Reason: "wrong password"}
	case user.Disabled:
		return oauth.EndUser{}, &BadCredentials{UserID: user.ID, Reason: "the account is disabled"}
	}
	return oauth.EndUser{ID: user.ID, ACR: ACRPassword, AMR: []string{"pwd"}}, nil // RFC 8176 section 2
}

func (p *Passwords) compare(ctx context.Context, password oauth.Secret, hash string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, queueTime)
	defer cancel()
	select {
	case p.places <- struct{}{}:
		defer func() { <-p.places }()
	case <-ctx.Done():
		return false, oauth.Errorf(oauth.TemporarilyUnavailable, "too many people are signing in at this moment").Because(ctx.Err())
	}
	match, err := argon2id.ComparePasswordAndHash(password.Reveal(), hash)
	if err != nil {
		return false, fmt.Errorf("reading a password hash: %w", err)
	}
	return match, nil
}
