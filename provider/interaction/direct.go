package interaction

import (
	"context"
	"errors"

	"signet/provider/oauth"
)

// DirectLogins judges passwords that clients pass on (RFC 6749 section 4.3), without a page. Its wrong ones count apart
// from those of the login page: a client that guesses, or somebody behind it, locks nobody out there.
type DirectLogins struct {
	passwords *Passwords
	throttle  *throttle
}

// NewDirectLogins makes DirectLogins that hash with passwords.
func NewDirectLogins(passwords *Passwords, clock oauth.Clock) (*DirectLogins, error) {
	if passwords == nil || clock == nil {
		return nil, errors.New("interaction: passwords and a clock are required")
	}
	return &DirectLogins{passwords: passwords, throttle: newThrottle(clock)}, nil
}

// Check returns who the username and the password are those of. When they are wrong, or there have been too many wrong
// ones for this user or by this client, reason says so for the audit log, and user has at most the id of the account that
// was tried. All of these take as long as a right one. Any error means that it could not find out.
func (d *DirectLogins) Check(ctx context.Context, clientID, username string, password oauth.Secret) (user oauth.EndUser, reason string, err error) {
	if len(username) > MaxUsername || len(password) > maxPassword {
		return oauth.EndUser{}, "too long", d.pretend(ctx)
	}
	try, _, ok := d.throttle.begin(username, "client "+clientID)
	if !ok {
		return oauth.EndUser{}, "too many wrong passwords", d.pretend(ctx)
	}
	user, err = d.passwords.Authenticate(ctx, username, password)
	var bad *BadCredentials
	switch {
	case errors.As(err, &bad):
		return oauth.EndUser{ID: bad.UserID}, bad.Reason, nil
	case err != nil:
		try.undecided()
		return oauth.EndUser{}, "", err
	}
	try.succeeded()
	return user, "", nil
}

// pretend takes as long as a password that is looked at.
func (d *DirectLogins) pretend(ctx context.Context) error {
	_, err := d.passwords.compare(ctx, "nobody's", nobodysHash)
	return err
}
