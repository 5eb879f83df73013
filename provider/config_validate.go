package provider

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"signet/mtls"
	"signet/provider/jose"
	"signet/provider/oauth"
)

// standardScopes gives oauth.StandardScopes their words.
var standardScopes = []Scope{
	{oauth.ScopeOpenID, "Recognise you when you sign in"},
	{oauth.ScopeProfile, "See your name and profile"},
	{oauth.ScopeEmail, "See your e-mail address"},
	{oauth.ScopeAddress, "See your postal address"},
	{oauth.ScopePhone, "See your phone number"},
	{oauth.ScopeOfflineAccess, "Keep this access while you are not signed in"},
}

// minPublishFor is longer than package resource, and anybody who reads our Cache-Control, keeps keys.
const minPublishFor = 6 * time.Minute

// maxIdentifier is the longest scope token or resource identifier, in bytes; databases keep no more.
const maxIdentifier = 2048

// maxTokenLifetime is the longest that an access or ID token may live, whoever chooses.
const maxTokenLifetime = time.Hour

// Validate lists everything that is wrong with the values. It reads no files.
func (c Config) Validate() []Fault {
	v := &validator{}
	v.base(c)
	v.doors(c)
	v.store(c.Store)
	v.keys(c.Keys)
	v.required("audit.spool", c.Audit.Spool)
	v.outbound(c)
	v.lifetimes(c)
	v.brand(c.Brand)
	v.scopes(c)
	v.resources(c)
	v.fapi(c)
	v.openID(c)
	v.tokens(c)
	v.grants(c)
	return v.faults
}

type validator struct{ faults []Fault }

func (v *validator) fault(path, format string, args ...any) {
	v.faults = append(v.faults, Fault{Path: path, Text: fmt.Sprintf(format, args...)})
}

func (v *validator) required(path, value string) bool {
	if value == "" {
		v.fault(path, "is required")
	}
	return value != ""
}

func (v *validator) base(c Config) {
	if v.required("issuer", c.Issuer) {
		v.baseURL("issuer", c.Issuer)
	}
	profile, known := oauth.Profiles[c.Profile]
	if !known {
		v.fault("profile", "want %s", strings.Join(ProfileNames(), ", "))
	}
	for i, alg := range c.Keys.Algorithms {
		path := fmt.Sprintf("keys.algorithms[%d]", i)
		switch signs := alg != jose.DecryptionAlg; {
		case signs && !slices.Contains(oauth.Profiles[oauth.ProfileOpenID].SigningAlgs, alg):
			v.fault(path, "unknown algorithm; known: ES256, PS256, EdDSA, RS256, RSA-OAEP-256")
		case signs && known && !slices.Contains(profile.SigningAlgs, alg):
			v.fault(path, "%s is not allowed under the profile %s", alg, c.Profile)
		case slices.Contains(c.Keys.Algorithms[:i], alg):
			v.fault(path, "listed twice")
		}
	}
}

// ProfileNames lists the profiles in alphabetical order.
func ProfileNames() []string {
	var names []string
	for name := range oauth.Profiles {
		names = append(names, string(name))
	}
	slices.Sort(names)
	return names
}

// baseURL checks an https URL without query and fragment (RFC 8414 section 2).
func (v *validator) baseURL(path, text string) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "":
		v.fault(path, "want an absolute URL, like https://login.bank.example")
	case u.Scheme != "https":
		v.fault(path, "the scheme must be https")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.User != nil || strings.HasSuffix(text, "#"):
		v.fault(path, "must have no user information, query or fragment")
	case strings.HasSuffix(text, "/"):
		v.fault(path, "must not end with a slash")
	case u.Path != "":
		v.fault(path, "must have no path: both doors serve at the root")
	}
}

func (v *validator) doors(c Config) {
	for _, d := range []struct {
		name string
		door Door
	}{{"main", c.Main}, {"mtls", c.MTLS}} {
		v.address(d.name+".listen", d.door.Listen)
		if v.required(d.name+".base_url", d.door.BaseURL) && d.door.BaseURL != c.Issuer {
			v.baseURL(d.name+".base_url", d.door.BaseURL)
		}
		v.required(d.name+".certificate", d.door.Certificate)
		v.required(d.name+".key", d.door.Key)
	}
	if c.Main.BaseURL != "" && c.Main.BaseURL == c.MTLS.BaseURL {
		v.fault("mtls.base_url", "must differ from the main door's")
	}
	v.operations(c.Operations)
	v.proxyProtocol(c)
	if c.ClientCertificates.RequireCRL == nil {
		v.fault("client_certificates.require_crl", "is required: true or false")
	}
	if _, err := mtls.NewProxies(c.TrustedProxies.mtls()); err != nil {
		v.fault("trusted_proxies", "%v", err)
	}
}

// proxyProtocol: whoever sends a PROXY header is not believed by its address, so naming it in both places is a mistake.
func (v *validator) proxyProtocol(c Config) {
	for i, text := range c.ProxyProtocol.Addresses {
		path := fmt.Sprintf("proxy_protocol.addresses[%d]", i)
		relay, err := mtls.ParseNetwork(text)
		if err != nil {
			v.fault(path, "%v", err)
			continue
		}
		for _, other := range c.TrustedProxies.Addresses {
			if proxy, err := mtls.ParseNetwork(other); err == nil && proxy.Overlaps(relay) {
				v.fault(path, "overlaps trusted_proxies.addresses (%s): no Client-Cert header is believed from there; pin that proxy's certificate in trusted_proxies.thumbprints instead", other)
			}
		}
	}
}

// operations: what it shows is not for strangers.
func (v *validator) operations(o OperationsConfig) {
	tls := o.Certificate != "" || o.Key != "" || o.ClientCA != ""
	switch complete := o.Certificate != "" && o.Key != "" && o.ClientCA != ""; {
	case !v.address("operations.listen", o.Listen):
	case tls && !complete:
		v.fault("operations", "certificate, key and client_ca belong together")
	case !tls && !isLoopback(o.Listen):
		v.fault("operations.listen", "must be a loopback address, unless certificate, key and client_ca are given")
	}
}

func isLoopback(address string) bool {
	host, _, _ := net.SplitHostPort(address)
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

func (t TrustedProxies) mtls() mtls.ProxiesConfig {
	return mtls.ProxiesConfig{Addresses: t.Addresses, Thumbprints: t.Thumbprints, Format: t.Format}
}

func (v *validator) address(path, text string) bool {
	if !v.required(path, text) {
		return false
	}
	if _, _, err := net.SplitHostPort(text); err != nil {
		v.fault(path, "want host:port")
		return false
	}
	return true
}

func (v *validator) lifetimes(c Config) {
	for _, l := range []struct {
		path  string
		value time.Duration
		most  time.Duration
	}{
		{"lifetimes.access_token", c.Lifetimes.AccessToken, maxTokenLifetime},
		{"lifetimes.id_token", c.Lifetimes.IDToken, maxTokenLifetime},
		{"lifetimes.authorization_code", c.Lifetimes.AuthorizationCode, oauth.Profiles[oauth.ProfileOpenID].MaxCodeLifetime},
		{"lifetimes.refresh_token", c.Lifetimes.RefreshToken, 10 * 365 * 24 * time.Hour},
		{"lifetimes.session", c.Lifetimes.Session, 30 * 24 * time.Hour},
		{"lifetimes.interaction", c.Lifetimes.Interaction, time.Hour},
		{"outbound.max_age", c.Outbound.MaxAge, 24 * time.Hour},
		{"outbound.timeout", c.Outbound.Timeout, time.Minute},
		{"policy.timeout", c.Policy.Timeout, 10 * time.Second},
	} {
		if l.value < 0 || l.value > l.most {
			v.fault(l.path, "want more than 0 and at most %s", l.most)
		}
	}
	// A server that signs on without contact with Vault learns of the next key, and of its own key's end, as much later.
	grace := c.Keys.Vault.Grace
	if least := minPublishFor + grace; c.Keys.PublishFor < least {
		v.fault("keys.publish_for", "must not be shorter than %s: resource servers use what they have read for almost so long%s", least, afterGrace(grace))
	}
	if c.Keys.RotateEvery != 0 && c.Keys.RotateEvery <= c.Keys.PublishFor {
		v.fault("keys.rotate_every", "must be longer than keys.publish_for, or 0")
	}
	if least := maxTokenLifetime + grace; c.Keys.RetireAfter < least {
		v.fault("keys.retire_after", "must not be shorter than %s, the longest that a token can live%s", least, afterGrace(grace))
	}
}

func afterGrace(grace time.Duration) string {
	if grace <= 0 {
		return ""
	}
	return ", and keys.vault.grace comes on top"
}

func (v *validator) brand(b Brand) {
	if ext := filepath.Ext(b.Logo); b.Logo != "" && ext != ".svg" && ext != ".png" {
		v.fault("brand.logo", "want a file that ends in .svg or .png")
	}
	for i, l := range b.Links {
		path := fmt.Sprintf("brand.links[%d]", i)
		v.required(path+".text", l.Text)
		if !strings.HasPrefix(l.URL, "https://") && !strings.HasPrefix(l.URL, "/") {
			v.fault(path+".url", "want an https URL or an absolute path")
		}
	}
}

func (v *validator) scopes(c Config) {
	seen := map[string]bool{}
	for _, s := range c.builtInScopes() {
		seen[s.Name] = true
	}
	for i, s := range c.Scopes {
		path := fmt.Sprintf("scopes[%d]", i)
		if one, ok := oauth.ParseScope(s.Name); !ok || len(one) != 1 || len(s.Name) > maxIdentifier {
			v.fault(path+".name", "want one scope token (RFC 6749 section 3.3)")
		} else if seen[s.Name] {
			v.fault(path+".name", "exists already")
		}
		seen[s.Name] = true
		v.required(path+".description", s.Description)
	}
}

func (v *validator) resources(c Config) {
	if len(c.Resources) == 0 {
		v.fault("resources", "at least one is required")
	}
	known := map[string]bool{}
	for _, s := range c.AllScopes() {
		known[s.Name] = true
	}
	seen := map[string]bool{}
	if c.GrantManagement.On() {
		seen[c.grantsResource().ID] = true
	}
	for i, r := range c.Resources {
		path := fmt.Sprintf("resources[%d]", i)
		if u, err := url.Parse(r.ID); err != nil || !u.IsAbs() || strings.Contains(r.ID, "#") || len(r.ID) > maxIdentifier {
			v.fault(path+".id", "want an absolute URI without a fragment (RFC 8707 section 2)")
		} else if seen[r.ID] {
			v.fault(path+".id", "exists already")
		}
		seen[r.ID] = true
		v.required(path+".name", r.Name)
		if len(r.Scopes) == 0 {
			v.fault(path+".scopes", "at least one is required")
		}
		for j, s := range r.Scopes {
			if !known[s] {
				v.fault(fmt.Sprintf("%s.scopes[%d]", path, j), "scope %q is not defined under scopes", s)
			}
		}
		if r.TokenFormat != FormatJWT && r.TokenFormat != FormatOpaque {
			v.fault(path+".token_format", "want jwt or opaque")
		}
		if r.SigningAlg != "" && !slices.Contains(c.Keys.SigningAlgs(), r.SigningAlg) {
			v.fault(path+".signing_alg", "is not one of keys.algorithms that signs")
		}
		if r.AccessTokenLifetime > c.Lifetimes.AccessToken {
			v.fault(path+".access_token_lifetime", "must not be longer than lifetimes.access_token")
		}
	}
}
