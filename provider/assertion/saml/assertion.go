package saml

import (
	"time"

	"github.com/beevik/etree"
)

// Assertion is what was signed (SAML Core section 2.3.3). Absent times are zero.
type Assertion struct {
	ID       string
	Issuer   string
	Subject  string // its NameID, as it is
	IssuedAt time.Time

	NotBefore, NotOnOrAfter time.Time // of Conditions
	// Audiences has one list for each AudienceRestriction, all of which must be met (SAML Core section 2.5.1.4).
	Audiences     [][]string
	Confirmations []Confirmation

	// AuthTime is when the user logged in at the issuer, ACR how, SessionEnds when the issuer's session ends in any case
	// (SAML Core section 2.7.2).
	AuthTime, SessionEnds time.Time
	ACR                   string
	// Attributes are those whose values are text.
	Attributes map[string][]string
}

// Confirmation is one way to confirm who may present the assertion (SAML Core section 2.4.1.1).
type Confirmation struct {
	Method string
	// Data says that there is a SubjectConfirmationData, of which the rest is.
	Data                    bool
	Recipient               string
	NotBefore, NotOnOrAfter time.Time
	InResponseTo            string
}

// reader reads a verified assertion and remembers the first thing that was wrong.
type reader struct {
	into Assertion
	err  error
}

// read takes an assertion from the signed element. Whatever it does not understand it refuses: what an issuer says may be
// a condition of the rest.
func (d *Document) read(signed *etree.Element) (Assertion, error) {
	if err := (&walker{ids: map[string]bool{}}).element(signed); err != nil {
		return Assertion{}, err
	}
	id, err := assertionID(signed)
	if err != nil {
		return Assertion{}, err
	}
	if id != d.id || count(signed, "Signature") != 0 {
		return Assertion{}, malformed("what was signed is not the document")
	}
	r := &reader{into: Assertion{ID: id, Attributes: map[string][]string{}}}
	r.into.IssuedAt = r.instant(signed, "IssueInstant")
	if r.into.IssuedAt.IsZero() {
		r.fail("it has no IssueInstant")
	}
	r.assertion(signed)
	if r.err != nil {
		return Assertion{}, r.err
	}
	return r.into, nil
}

func (r *reader) fail(reason string) {
	if r.err == nil {
		r.err = malformed(reason)
	}
}

func (r *reader) assertion(el *etree.Element) {
	seen := map[string]bool{}
	for _, child := range r.elements(el) {
		once := !seen[child.Tag]
		seen[child.Tag] = true
		switch {
		case child.Tag == "Issuer" && once:
			r.into.Issuer = r.text(child)
		case child.Tag == "Subject" && once:
			r.subject(child)
		case child.Tag == "Conditions" && once:
			r.conditions(child)
		case child.Tag == "AuthnStatement" && once:
			r.login(child)
		case child.Tag == "AttributeStatement":
			r.attributes(child)
		default:
			r.fail("it has an element that is not read here, or one too often")
		}
	}
	if !seen["Issuer"] || !seen["Subject"] || !seen["Conditions"] {
		r.fail("it needs Issuer, Subject and Conditions")
	}
}

func (r *reader) subject(el *etree.Element) {
	named := false
	for _, child := range r.elements(el) {
		switch {
		case child.Tag == "NameID" && !named:
			r.into.Subject, named = r.text(child), true
		case child.Tag == "SubjectConfirmation" && named:
			r.confirmation(child)
		default:
			r.fail("its Subject is not named by one NameID")
		}
	}
	if !named {
		r.fail("its Subject is not named by one NameID")
	}
}

func (r *reader) confirmation(el *etree.Element) {
	c := Confirmation{}
	c.Method, _ = attr(el, "Method")
	for _, child := range r.elements(el) {
		switch {
		case child.Tag == "SubjectConfirmationData" && !c.Data:
			c.Data = true
			c.Recipient, _ = attr(child, "Recipient")
			c.InResponseTo, _ = attr(child, "InResponseTo")
			c.NotBefore, c.NotOnOrAfter = r.instant(child, "NotBefore"), r.instant(child, "NotOnOrAfter")
		case child.Tag == "NameID": // who may present it, which says nothing of a bearer
		default:
			r.fail("its SubjectConfirmation has something that is not read here")
		}
	}
	r.into.Confirmations = append(r.into.Confirmations, c)
}

// conditions wants to understand every one: an assertion with one that is not is not valid (SAML Core section 2.5.1).
func (r *reader) conditions(el *etree.Element) {
	r.into.NotBefore, r.into.NotOnOrAfter = r.instant(el, "NotBefore"), r.instant(el, "NotOnOrAfter")
	for _, child := range r.elements(el) {
		switch child.Tag {
		case "AudienceRestriction":
			var audiences []string
			for _, audience := range r.elements(child) {
				if audience.Tag != "Audience" {
					r.fail("its AudienceRestriction has something that is not read here")
				}
				audiences = append(audiences, r.text(audience))
			}
			r.into.Audiences = append(r.into.Audiences, audiences)
		case "OneTimeUse": // as all of them are here
		default:
			r.fail("it has a condition that is not understood")
		}
	}
}

func (r *reader) login(el *etree.Element) {
	r.into.AuthTime, r.into.SessionEnds = r.instant(el, "AuthnInstant"), r.instant(el, "SessionNotOnOrAfter")
	if r.into.AuthTime.IsZero() {
		r.fail("its AuthnStatement has no AuthnInstant")
	}
	for _, child := range r.elements(el) {
		switch child.Tag {
		case "SubjectLocality":
		case "AuthnContext":
			for _, context := range r.elements(child) {
				if context.Tag == "AuthnContextClassRef" {
					r.into.ACR = r.text(context)
				}
			}
		default:
			r.fail("its AuthnStatement has something that is not read here")
		}
	}
}

// attributes reads those whose values are text. A value of another kind is left out, and so is an encrypted one: they are
// facts for the policy, and conditions of nothing.
func (r *reader) attributes(el *etree.Element) {
	for _, attribute := range r.elements(el) {
		name, _ := attr(attribute, "Name")
		if attribute.Tag != "Attribute" || name == "" {
			continue
		}
		for _, value := range r.elements(attribute) {
			if content, err := text(value); err == nil && value.Tag == "AttributeValue" {
				r.into.Attributes[name] = append(r.into.Attributes[name], content)
			}
		}
	}
}

// elements wants child elements of the assertion's own namespace, and no text beside them.
func (r *reader) elements(el *etree.Element) []*etree.Element {
	list, err := elements(el)
	if err != nil {
		r.fail("text beside elements")
	}
	for _, child := range list {
		if child.NamespaceURI() != nsAssertion {
			r.fail("it has an element of another namespace")
		}
	}
	return list
}

func (r *reader) text(el *etree.Element) string {
	content, err := text(el)
	if err != nil {
		r.fail("an element that should have text has none, or more")
	}
	return content
}

// instant reads a time (SAML Core section 1.3.3); zero when there is none.
func (r *reader) instant(el *etree.Element, name string) time.Time {
	value, ok := attr(el, name)
	if !ok {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339Nano, value)
	if err != nil || at.Year() < 1970 {
		r.fail("a time is malformed")
	}
	return at.UTC()
}
