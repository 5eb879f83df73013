package web

import (
	"strconv"
	"strings"
	"time"

	"signet/provider/oauth"
)

// loginHint carries what login would do (RFC 9470 section 3).
type loginHint struct {
	acr    []string
	maxAge time.Duration
}

func (h loginHint) Error() string { return "needed login:" + h.parameters() }

// parameters continue a challenge.
func (h loginHint) parameters() string {
	var text string
	if len(h.acr) > 0 {
		text += `, acr_values="` + printable(strings.Join(h.acr, " ")) + `"`
	}
	if h.maxAge > 0 {
		text += `, max_age="` + strconv.FormatInt(int64(h.maxAge/time.Second), 10) + `"`
	}
	return text
}

// InsufficientAuthentication is the error for a token of a login that was not good enough, or too long ago; the
// answer says what would do (RFC 9470 section 3). acr may be nil and maxAge 0.
func InsufficientAuthentication(description string, acr []string, maxAge time.Duration) *oauth.Error {
	return oauth.Errorf(oauth.InsufficientUserAuth, "%s", description).Because(loginHint{acr, maxAge})
}
