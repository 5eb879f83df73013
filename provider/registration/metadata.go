package registration

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"unicode"

	"signet/provider/clientauth"
	"signet/provider/oauth"
	"signet/provider/web"
)

// Bounds are what a registered client gets at most, and what it gets when it does not ask.
type Bounds struct {
	// Profile is the one that every client is held to; InForce is what that is together with the instance's floor.
	Profile, InForce oauth.ProfileName
	Scopes           oauth.Scope
	Resources        []string
	DetailsTypes     []string
	GrantTypes       []string
	ResponseTypes    []string
	AuthMethods      []string
	// IDTokenAlg signs the ID tokens of a client that does not ask (OpenID Connect Registration section 2: RS256, where
	// there is a key for it).
	IDTokenAlg string
	// WithoutImplicit: the profile has no implicit grant. A client that asks for it together with others, as OpenID
	// Connect Registration has it for code id_token, gets the others (RFC 7591 section 3.2.1).
	WithoutImplicit bool
}

// defaultEnc encrypts the content where a client names an alg only (OpenID Connect Registration section 2, RFC 9701
// section 6, JARM section 3).
const defaultEnc = "A128CBC-HS256"

// statementMember is the one member that is not the client's own to say: its issuer signs it.
const statementMember = "software_statement"

// metadata are the members that a client may set: the JSON names of oauth.Client that are its own to say. All others
// are ignored (RFC 7591 section 2), whatever they mean to us.
var metadata = []string{
	"client_name", "token_endpoint_auth_method", "token_endpoint_auth_signing_alg", "jwks", "jwks_uri",
	"tls_client_auth_subject_dn", "tls_client_auth_san_dns", "tls_client_auth_san_uri", "tls_client_auth_san_ip",
	"tls_client_auth_san_email", "tls_client_certificate_bound_access_tokens", "redirect_uris", "grant_types", "scope",
	"resources", "response_types", "id_token_signed_response_alg", "authorization_signed_response_alg",
	"introspection_signed_response_alg", "request_object_signing_alg", "require_signed_request_object",
	"require_pushed_authorization_requests", "dpop_bound_access_tokens", "authorization_details_types",
	"default_acr_values", "backchannel_token_delivery_mode", "backchannel_client_notification_endpoint",
	"backchannel_authentication_request_signing_alg", "backchannel_user_code_parameter",
	"application_type", "contacts", "logo_uri", "client_uri", "policy_uri", "tos_uri", "software_id", "software_version",
	statementMember, "subject_type", "sector_identifier_uri", "id_token_encrypted_response_alg",
	"id_token_encrypted_response_enc", "userinfo_signed_response_alg", "userinfo_encrypted_response_alg",
	"userinfo_encrypted_response_enc", "introspection_encrypted_response_alg", "introspection_encrypted_response_enc",
	"authorization_encrypted_response_alg", "authorization_encrypted_response_enc", "request_object_encryption_alg", "request_object_encryption_enc",
	"default_max_age", "require_auth_time", "initiate_login_uri", "request_uris", "post_logout_redirect_uris",
	"frontchannel_logout_uri", "frontchannel_logout_session_required", "backchannel_logout_uri",
	"backchannel_logout_session_required",
}

// members are those of a request's JSON object. One that is null is not there (RFC 7592 section 2.2).
type members map[string]json.RawMessage

func readMembers(w http.ResponseWriter, r *http.Request) (members, *oauth.Error) {
	body, fault := web.ReadJSON(w, r)
	if fault != nil {
		return nil, fault
	}
	return parseMembers(body)
}

// parseMembers reads one JSON object, in which no member is there twice.
func parseMembers(body []byte) (members, *oauth.Error) {
	malformed := func(err error) (members, *oauth.Error) {
		return nil, oauth.Errorf(oauth.InvalidClientMetadata, "the body is not a JSON object").Because(err)
	}
	d := json.NewDecoder(bytes.NewReader(body))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return malformed(err)
	}
	m := members{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return malformed(err)
		}
		key, isText := name.(string)
		var value json.RawMessage
		if err := d.Decode(&value); err != nil || !isText {
			return malformed(err)
		}
		if _, twice := m[key]; twice {
			return nil, oauth.Errorf(oauth.InvalidClientMetadata, "a member of the JSON object is there twice")
		}
		m[key] = value
	}
	if _, err := d.Token(); err != nil {
		return malformed(err)
	}
	if _, err := d.Token(); err != io.EOF {
		return malformed(err)
	}
	for name, value := range m {
		if string(value) == "null" {
			delete(m, name)
		}
	}
	return m, nil
}

// fill gives the client the metadata, what it gets unasked, and a new secret where it needs one and has none. The
// error lists everything that is wrong; policy is asked about what is right. detail is for the audit log.
func (e *endpoint) fill(r *http.Request, c *oauth.Client, given members, action, by string) (secret oauth.Secret, detail map[string]any, err error) {
	ctx := r.Context()
	statement, err := e.believe(ctx, given)
	if err != nil {
		return "", nil, err
	}
	faults := decode(c, given)
	e.defaults(c, given)
	faults = append(append(faults, checkName(c.Name)...), e.bound(c)...)
	e.signed(c)
	if secret, err = e.keepSecret(ctx, c); err != nil {
		return "", nil, err
	}
	if err := refuse(append(faults, e.Validate(c)...)); err != nil {
		return "", nil, err
	}
	if err := e.sector(ctx, c); err != nil {
		return "", nil, err
	}
	detail, err = e.decide(r, c, statement, action, by)
	return secret, detail, err
}

// defaults fills in what the specifications say of members that are left out, so that the answer has it (RFC 7591
// sections 2 and 3.2.1, OpenID Connect Registration section 2).
func (e *endpoint) defaults(c *oauth.Client, given members) {
	if c.AuthMethod == "" {
		c.AuthMethod = oauth.AuthSecretBasic
	}
	if c.ApplicationType == "" {
		c.ApplicationType = "web"
	}
	if _, told := given["grant_types"]; !told {
		c.GrantTypes = []string{oauth.GrantAuthorizationCode}
	}
	if e.Bounds.WithoutImplicit && len(c.GrantTypes) > 1 {
		c.GrantTypes = slices.DeleteFunc(c.GrantTypes, func(grant string) bool { return grant == oauth.GrantImplicit })
	}
	if _, told := given["response_types"]; !told && c.Allows(oauth.GrantAuthorizationCode) {
		c.ResponseTypes = []string{oauth.ResponseCode}
	}
	for i, t := range c.ResponseTypes { // the order of the parts means nothing (RFC 6749 section 3.1.1)
		c.ResponseTypes[i] = strings.Join(slices.Sorted(strings.FieldsSeq(t)), " ")
	}
	for _, jwe := range []struct {
		alg string
		enc *string
	}{
		{c.IDTokenEncAlg, &c.IDTokenEncEnc}, {c.UserinfoEncAlg, &c.UserinfoEncEnc}, {c.RequestObjectEncAlg, &c.RequestObjectEncEnc},
		{c.IntrospectionEncAlg, &c.IntrospectionEncEnc}, {c.ResponseEncAlg, &c.ResponseEncEnc},
	} {
		if jwe.alg != "" && *jwe.enc == "" {
			*jwe.enc = defaultEnc
		}
	}
}

// signed names the algorithm of ID tokens, where there are any.
func (e *endpoint) signed(c *oauth.Client) {
	if c.IDTokenAlg == "" && c.Scopes().Has(oauth.ScopeOpenID) {
		c.IDTokenAlg = e.Bounds.IDTokenAlg
	}
}

// decode sets the client's fields one by one, so that each of a wrong type is named.
func decode(c *oauth.Client, given members) (faults []Fault) {
	for _, name := range metadata {
		value, there := given[name]
		if !there {
			continue
		}
		one := slices.Concat([]byte(`{"`+name+`":`), value, []byte(`}`))
		if err := json.Unmarshal(one, c); err != nil {
			faults = append(faults, Fault{name, "is of the wrong type"})
		}
	}
	return faults
}

// checkName: the consent page shows the name, so it is a line of visible text.
func checkName(name string) []Fault {
	const most = 100
	if len([]rune(name)) > most || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsGraphic(r) }) {
		return []Fault{{"client_name", fmt.Sprintf("want at most %d visible characters", most)}}
	}
	return nil
}

// bound imposes the profile and keeps the client within the operator's bounds.
func (e *endpoint) bound(c *oauth.Client) (faults []Fault) {
	c.Profile = e.Bounds.Profile
	scope, fault := within("scope", c.Scopes(), e.Bounds.Scopes)
	if faults = append(faults, fault...); c.Scope == "" {
		c.Scope = oauth.Scope(scope).String()
	}
	c.Resources, fault = within("resources", c.Resources, e.Bounds.Resources)
	faults = append(faults, fault...)
	c.DetailsTypes, fault = within("authorization_details_types", c.DetailsTypes, e.Bounds.DetailsTypes)
	faults = append(faults, fault...)
	for _, f := range []struct {
		name        string
		asked, most []string
	}{
		{"token_endpoint_auth_method", []string{string(c.AuthMethod)}, e.Bounds.AuthMethods},
		{"grant_types", c.GrantTypes, e.Bounds.GrantTypes},
		{"response_types", c.ResponseTypes, e.Bounds.ResponseTypes},
	} {
		if len(f.asked) > 0 {
			_, fault = within(f.name, f.asked, f.most)
			faults = append(faults, fault...)
		}
	}
	return faults
}

// within returns what was asked for, or else all that there is.
func within(field string, asked, most []string) ([]string, []Fault) {
	if len(asked) == 0 {
		return slices.Clone(most), nil
	}
	var faults []Fault
	for _, value := range asked {
		if !slices.Contains(most, value) {
			faults = append(faults, Fault{field, fmt.Sprintf("%q is not for registered clients", value)})
		}
	}
	return asked, faults
}

// keepSecret makes a secret when the client's method needs one that it does not have, and drops what no longer counts.
func (e *endpoint) keepSecret(ctx context.Context, c *oauth.Client) (secret oauth.Secret, err error) {
	if clientauth.KeepsSecret(c) {
		return "", nil
	}
	if c.AuthMethod.UsesSecret() {
		if secret, err = clientauth.NewSecret(e.Random, c); err != nil {
			return "", err
		}
	}
	return secret, clientauth.KeepSecret(ctx, e.Sealer, e.Random, c, secret)
}

// refuse makes the faults one error (RFC 7591 section 3.2.2). As many as fit are in words.
func refuse(faults []Fault) error {
	if len(faults) == 0 {
		return nil
	}
	const room = 1900 // of what an error_description may have
	code, text := oauth.InvalidRedirectURI, ""
	for i, f := range faults {
		if f.Field != "redirect_uris" {
			code = oauth.InvalidClientMetadata
		}
		one := f.Field + ": " + f.Text
		if i > 0 {
			one = "; " + one
		}
		if len(text)+len(one) > room {
			text += fmt.Sprintf("; and %d more", len(faults)-i)
			break
		}
		text += one
	}
	return oauth.Errorf(code, "%s", text)
}
