package logout

import (
	"context"
	"errors"

	"signet/provider/jose"
	"signet/provider/oauth"
)

// hint is what an id_token_hint says.
type hint struct {
	clientID string // whom it was issued to
	sid      string // the session that it was issued in; "" = none
}

// readHint takes an ID token that this server has issued, however long it has been expired. The error is an
// *oauth.Error unless nobody knows.
func (s *Service) readHint(ctx context.Context, compact string) (hint, error) {
	if jose.IsEncrypted(compact) && s.deps.Decrypt != nil {
		payload, err := s.deps.Decrypt.Decrypt(ctx, compact)
		if err != nil {
			return hint{}, unreadable(err)
		}
		compact = string(payload)
	}
	read, fault := s.deps.Hints.Read(compact, s.deps.Clock())
	if fault != nil {
		return hint{}, fault
	}
	if len(read.Audience) != 1 {
		return hint{}, oauth.Errorf(oauth.InvalidRequest, "the id_token_hint is for more than one client")
	}
	return hint{clientID: read.Audience[0], sid: read.SessionID}, nil
}

// unreadable tells a token that nobody can decrypt from a key that cannot be used at present.
func unreadable(err error) error {
	for _, fault := range []error{jose.ErrMalformed, jose.ErrAlgorithm, jose.ErrUnknownKey, jose.ErrDecryption} {
		if errors.Is(err, fault) {
			const text = "the id_token_hint is encrypted, and not so that this server can read it"
			return oauth.Errorf(oauth.InvalidRequest, text).Because(err)
		}
	}
	return err
}
