package provider

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"

	"signet/provider/ciba"
	"signet/provider/oauth"
)

// Bounds of what a configuration may choose.
const (
	leastPushedLifetime   = 5 * time.Second // a browser has to get there
	mostResponseLifetime  = 10 * time.Minute
	mostBackchannelExpiry = time.Hour
)

func (v *validator) fapi(c Config) {
	v.within("dpop.nonce_lifetime", c.DPoP.NonceLifetime, 10*time.Second, time.Hour)
	most := oauth.Profiles[oauth.ProfileOpenID].MaxPushedLifetime
	if p, known := oauth.Profiles[c.Profile]; known {
		most = p.MaxPushedLifetime
	}
	v.within("authorization.pushed_lifetime", c.Authorization.PushedLifetime, leastPushedLifetime, most)
	v.within("authorization.response_lifetime", c.Authorization.ResponseLifetime, time.Second, mostResponseLifetime)
	v.acrs(c.Authentication.PasswordACR)
	v.detailsTypes(c)
	v.ciba(c)
	if c.GrantManagement.Required && !c.GrantManagement.On() {
		v.fault("grant_management.required", "needs grant_management.enabled")
	}
}

func (v *validator) within(path string, value, least, most time.Duration) {
	if value < least || value > most {
		v.fault(path, "want %s to %s", least, most)
	}
}

// acrs: requests list ACR values with spaces between them (OpenID Connect Core section 3.1.2.1).
func (v *validator) acrs(values []string) {
	for i, acr := range values {
		path := fmt.Sprintf("authentication.password_acr[%d]", i)
		if acr == "" || strings.ContainsFunc(acr, func(r rune) bool { return r <= ' ' || r > '~' }) {
			v.fault(path, "want printable ASCII without spaces")
		} else if slices.Contains(values[:i], acr) {
			v.fault(path, "listed twice")
		}
	}
}

func (v *validator) detailsTypes(c Config) {
	seen := map[string]bool{}
	for i, t := range c.DetailsTypes {
		path := fmt.Sprintf("authorization_details[%d]", i)
		switch {
		case !v.required(path+".type", t.Type):
		case len(t.Type) > maxIdentifier:
			v.fault(path+".type", "is too long")
		case seen[t.Type]:
			v.fault(path+".type", "exists already")
		}
		seen[t.Type] = true
		v.required(path+".description", t.Description)
		v.required(path+".schema", t.Schema)
		for j, field := range t.Show {
			at := fmt.Sprintf("%s.show[%d]", path, j)
			v.required(at+".label", field.Label)
			if v.required(at+".path", field.Path) && slices.Contains(strings.Split(field.Path, "."), "") {
				v.fault(at+".path", "want names with single dots between them, like instructedAmount.amount")
			}
		}
		for j, id := range t.Resources {
			if !slices.ContainsFunc(c.Resources, func(r Resource) bool { return r.ID == id }) {
				v.fault(fmt.Sprintf("%s.resources[%d]", path, j), "%q is not defined under resources", id)
			}
		}
	}
}

func (v *validator) ciba(c Config) {
	b := c.CIBA
	if !b.Enabled {
		if !reflect.ValueOf(b).IsZero() {
			v.fault("ciba", "is not used; set ciba.enabled, or remove the rest")
		}
		return
	}
	v.within("ciba.max_expiry", b.MaxExpiry, time.Second, mostBackchannelExpiry)
	v.within("ciba.expiry", b.Expiry, time.Second, max(b.MaxExpiry, time.Second))
	v.within("ciba.interval", b.Interval, time.Second, time.Minute)
	if b.PendingOfClient < 1 || b.PendingOfClient > ciba.MaxPending {
		v.fault("ciba.pending_of_client", "want 1 to %d", ciba.MaxPending)
	}
	for path, d := range map[string]time.Duration{"ciba.expiry": b.Expiry, "ciba.max_expiry": b.MaxExpiry, "ciba.interval": b.Interval} {
		if d%time.Second != 0 {
			v.fault(path, "want whole seconds (CIBA Core section 7.3)")
		}
	}
	if b.LoginHint != HintUsername && b.LoginHint != HintSubject {
		v.fault("ciba.login_hint", "want username or sub")
	}
	v.hintIssuers(b.HintIssuers)
	v.device(b.Device)
	v.development(c)
}

func (v *validator) hintIssuers(issuers []HintIssuer) {
	seen := map[string]bool{}
	for i, h := range issuers {
		path := fmt.Sprintf("ciba.hint_issuers[%d]", i)
		if v.required(path+".issuer", h.Issuer) && seen[h.Issuer] {
			v.fault(path+".issuer", "exists already")
		}
		seen[h.Issuer] = true
		v.publicKeys(path, h.JWKSURI, h.JWKS)
	}
}

// publicKeys: they are published, or in a file.
func (v *validator) publicKeys(path, uri, file string) {
	switch {
	case (uri == "") == (file == ""):
		v.fault(path, "exactly one of jwks_uri and jwks is required")
	case uri != "" && !httpsURL(uri):
		v.fault(path+".jwks_uri", "want an https URL")
	}
}

func (v *validator) device(d DeviceConfig) {
	switch {
	case d == DeviceConfig{}:
	case !httpsURL(d.URL):
		v.fault("ciba.device.url", "want an https URL")
	default:
		v.required("ciba.device.token_file", d.TokenFile)
	}
}

// development: whoever reaches the approver answers for anybody, so a public issuer has it only when that was said twice.
func (v *validator) development(c Config) {
	u, err := url.Parse(c.Issuer)
	if err != nil {
		return // a fault of its own
	}
	switch host := c.CIBA.DevelopmentHost; {
	case host != "" && !c.CIBA.DevelopmentApprover:
		v.fault("ciba.development_host", "is for development_approver only")
	case host != "" && host != u.Hostname():
		v.fault("ciba.development_host", "is not the issuer's host")
	case !c.CIBA.DevelopmentApprover || host != "":
	case !thisMachine(u.Hostname()):
		v.fault("ciba.development_approver", "answers for every user: only where the issuer is localhost, or development_host names its host once more")
	case !loopback(c.Main.Listen) || c.MTLS.Listen != "" && !loopback(c.MTLS.Listen):
		v.fault("ciba.development_approver", "answers for every user: main and mtls must listen on a loopback address, or development_host name the issuer's host once more")
	}
}

func thisMachine(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || err == nil && addr.IsLoopback()
}

// loopback says whether nobody from elsewhere can reach a listener at this address.
func loopback(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	return err == nil && thisMachine(host)
}

// httpsURL says whether the text is an https URL without user information or fragment.
func httpsURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Scheme == "https" && u.Hostname() != "" && u.User == nil && u.Fragment == "" && !strings.HasSuffix(text, "#")
}
