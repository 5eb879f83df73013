package interaction

import (
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// policy is what a page may load and where it may go, beyond our own style sheet and pictures (Content Security
// Policy Level 3). Without a script of ours no script whatever runs.
type policy struct {
	returns string   // the redirect URI that a form of this page leads to in the end; "" = none
	picture string   // the origin of the client's logo; "" = none
	frames  []string // origins of what is framed
	script  string   // the one inline script; "" = none
}

// String returns the header's value.
func (p policy) String() string {
	directives := []string{"default-src 'none'", "style-src 'self'", "img-src " + sources("'self'", p.picture)}
	if p.script != "" {
		digest := sha256.Sum256([]byte(p.script))
		directives = append(directives, "script-src 'sha256-"+base64.StdEncoding.EncodeToString(digest[:])+"'")
	}
	if len(p.frames) > 0 {
		directives = append(directives, "frame-src "+sources(p.frames...))
	}
	return strings.Join(append(directives, "base-uri 'none'", "frame-ancestors 'none'", "form-action "+p.actions()), "; ")
}

// actions is where forms may lead. Browsers hold form-action against every redirect that follows a form, also at the
// client's site, which may redirect on: so the scheme is all that can be fixed.
func (p policy) actions() string {
	u, err := url.Parse(p.returns)
	if err != nil || u.Scheme == "" {
		return "'self'"
	}
	return sources("'self'", "https:", u.Scheme+":")
}

// sources is a list of sources, each once.
func sources(all ...string) string {
	var list []string
	for _, source := range all {
		if source != "" && !slices.Contains(list, source) {
			list = append(list, source)
		}
	}
	return strings.Join(list, " ")
}

// plainOrigin is an origin that a policy can name: nothing in it has a meaning of its own there.
var plainOrigin = regexp.MustCompile(`^https?://[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?$`)

// originOf returns the origin of a URI of one of the schemes, for a policy; "" when it has none.
func originOf(uri string, schemes ...string) string {
	u, err := url.Parse(uri)
	if err != nil || u.User != nil || !slices.Contains(schemes, u.Scheme) {
		return ""
	}
	if origin := u.Scheme + "://" + u.Host; plainOrigin.MatchString(origin) {
		return origin
	}
	return ""
}
