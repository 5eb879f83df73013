package interaction

import (
	"context"
	"errors"

	"signet/provider/oauth"
)

// UserCodes judges the user codes of CIBA (CIBA Core section 7.1), the secrets by which users keep requests away that
// they did not start. Hashing takes its turn with the logins'.
type UserCodes struct {
	passwords *Passwords
	throttle  *throttle
}

// NewUserCodes makes UserCodes that hash with passwords.
func NewUserCodes(passwords *Passwords, clock oauth.Clock) (*UserCodes, error) {
	if passwords == nil || clock == nil {
		return nil, errors.New("interaction: passwords and a clock are required")
	}
	return &UserCodes{passwords: passwords, throttle: newThrottle(clock)}, nil
}

// HashUserCode returns the argon2id hash in PHC form that an account keeps of its user code. See [HashPassword].
func HashUserCode(code oauth.Secret) (string, error) { return HashPassword(code) }

// Check says whether the code is the user's. A client that guesses is slowed down, for this user, and told
// invalid_user_code.
func (u *UserCodes) Check(ctx context.Context, clientID string, user oauth.User, code oauth.Secret) (bool, error) {
	if user.UserCodeHash == "" || len(code) > maxPassword {
		return false, nil
	}
	// The throttle's two names are the pair and the client: one client's guesses do not lock out another's.
	try, _, ok := u.throttle.begin(user.ID+" "+clientID, "client "+clientID)
	if !ok {
		return false, oauth.Errorf(oauth.InvalidUserCode, "too many wrong user codes: try again later")
	}
	right, err := u.passwords.compare(ctx, code, user.UserCodeHash)
	switch {
	case err != nil:
		try.undecided()
	case right:
		try.succeeded()
	}
	return right, err
}
