package saml

import (
	"crypto/x509"
	"errors"
	"testing"
	"time"
)

func certs(ids ...identity) []*x509.Certificate {
	var all []*x509.Certificate
	for _, id := range ids {
		all = append(all, id.cert)
	}
	return all
}

func expectation() Expectation {
	return Expectation{
		Issuer: idp, Audiences: []string{server, endpoint}, Recipients: []string{endpoint}, Now: now,
		MaxLifetime: 10 * time.Minute, Early: 30 * time.Second, Late: 10 * time.Second,
	}
}

func TestCheck(t *testing.T) {
	const confirmation = `<saml:SubjectConfirmationData NotOnOrAfter="2026-03-04T05:10:00Z" Recipient="https://as.example/token"></saml:SubjectConfirmationData>`
	const conditions = ` NotBefore="2026-03-04T05:06:00Z" NotOnOrAfter="2026-03-04T05:11:00Z"`
	const restriction = `<saml:AudienceRestriction><saml:Audience>https://as.example</saml:Audience></saml:AudienceRestriction>`
	audiences := func(text string) string { return plain(restriction, text) }
	confirmed := func(text string) string { return plain(confirmation, text) }
	other := `<saml:AudienceRestriction><saml:Audience>https://other.example</saml:Audience></saml:AudienceRestriction>`
	for name, c := range map[string]struct {
		text  string
		until string // of day; "" = refused
		fault Fault
	}{
		"good":                             {plain(), "05:10:00", ""},
		"the endpoint as audience":         {plain("<saml:Audience>https://as.example<", "<saml:Audience>https://as.example/token<"), "05:10:00", ""},
		"two restrictions, both met":       {audiences(restriction + restriction), "05:10:00", ""},
		"one time use":                     {audiences(restriction + "<saml:OneTimeUse/>"), "05:10:00", ""},
		"no data":                          {confirmed(""), "05:11:00", ""},
		"conditions without an end":        {plain(conditions, ""), "05:10:00", ""},
		"conditions end first":             {plain("05:11:00", "05:09:00"), "05:09:00", ""},
		"expired within the leeway":        {plain("05:10:00Z", "05:06:51Z"), "05:06:51", ""},
		"early within the leeway":          {plain("05:06:00Z", "05:07:30Z"), "05:10:00", ""},
		"a second confirmation holds":      {plain("<saml:SubjectConfirmation Method", `<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData NotOnOrAfter="2026-03-04T05:10:00Z" Recipient="https://other.example/"/></saml:SubjectConfirmation><saml:SubjectConfirmation Method`), "05:10:00", ""},
		"session goes on":                  {plain("<saml:AuthnStatement ", `<saml:AuthnStatement SessionNotOnOrAfter="2026-03-04T06:00:00Z" `), "05:10:00", ""},
		"another issuer":                   {plain("<saml:Issuer>https://sts", "<saml:Issuer>https://evil"), "", "is of another issuer"},
		"another audience":                 {audiences(other), "", "has another audience"},
		"another audience, too":            {plain("</saml:Audience>", "</saml:Audience><saml:Audience>https://other.example</saml:Audience>"), "", "has another audience"},
		"another restriction, too":         {audiences(restriction + other), "", "has another audience"},
		"empty restriction":                {audiences("<saml:AudienceRestriction/>"), "", "has another audience"},
		"no restriction":                   {audiences(""), "", "has no AudienceRestriction"},
		"audience with a slash":            {plain("<saml:Audience>https://as.example<", "<saml:Audience>https://as.example/<"), "", "has another audience"},
		"another recipient":                {plain("https://as.example/token", "https://other.example/token"), "", "has another Recipient than the token endpoint"},
		"the issuer as recipient":          {plain("https://as.example/token", "https://as.example"), "", "has another Recipient than the token endpoint"},
		"no recipient":                     {plain(` Recipient="https://as.example/token"`, ""), "", "has another Recipient than the token endpoint"},
		"holder of key":                    {plain(":cm:bearer", ":cm:holder-of-key"), "", "has no bearer SubjectConfirmation"},
		"sender vouches":                   {plain(":cm:bearer", ":cm:sender-vouches"), "", "has no bearer SubjectConfirmation"},
		"confirmation without an end":      {plain(` NotOnOrAfter="2026-03-04T05:10:00Z"`, ""), "", "has no NotOnOrAfter"},
		"no end at all":                    {plain(conditions, "", confirmation, ""), "", "has no NotOnOrAfter"},
		"expired":                          {plain("05:10:00Z", "05:06:50Z"), "", "has expired"},
		"expired by its conditions":        {plain("05:11:00Z", "05:06:50Z"), "", "has expired"},
		"conditions not yet":               {plain(`NotBefore="2026-03-04T05:06:00Z"`, `NotBefore="2026-03-04T05:07:31Z"`), "", "is not valid yet"},
		"confirmation not yet":             {confirmed(`<saml:SubjectConfirmationData NotBefore="2026-03-04T05:07:31Z" NotOnOrAfter="2026-03-04T05:10:00Z" Recipient="https://as.example/token"/>`), "", "is not valid yet"},
		"issued in the future":             {plain(`IssueInstant="2026-03-04T05:06:00Z"`, `IssueInstant="2026-03-04T05:07:31Z"`), "", "is not valid yet"},
		"logged in in the future":          {plain("05:00:00", "05:08:00"), "", "is not valid yet"},
		"lives too long":                   {plain("05:10:00", "05:18:00", "05:11:00", "05:18:00"), "", "lives too long"},
		"lived too long":                   {plain(`IssueInstant="2026-03-04T05:06:00Z"`, `IssueInstant="2026-03-04T04:59:59Z"`), "", "lives too long"},
		"answers somebody":                 {plain(" Recipient=", ` InResponseTo="_r" Recipient=`), "", "answers a request that was not made here"},
		"session over":                     {plain("<saml:AuthnStatement ", `<saml:AuthnStatement SessionNotOnOrAfter="2026-03-04T05:07:00Z" `), "", "is about a session that has ended"},
		"no confirmation":                  {plain(`<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer">`+confirmation+`</saml:SubjectConfirmation>`, ""), "", "has no bearer SubjectConfirmation"},
		"no method":                        {plain(` Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"`, ""), "", "has no bearer SubjectConfirmation"},
		"an end before the world has time": {plain("2026-03-04T05:11:00Z", "1971-03-04T05:11:00Z"), "", "has expired"},
	} {
		t.Run(name, func(t *testing.T) {
			a, err := verify(sign(t, c.text, issuer()))
			if err != nil {
				t.Fatal(err)
			}
			until, err := a.Check(expectation())
			var fault Fault
			switch errors.As(err, &fault); {
			case fault != c.fault || (err == nil) != (c.fault == ""):
				t.Errorf("%v, want %q", err, c.fault)
			case err == nil && !until.Equal(at(c.until)):
				t.Errorf("until %v, want %s", until, c.until)
			}
		})
	}
}
