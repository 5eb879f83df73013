package saml

import (
	"fmt"
	"strings"
	"testing"

	"github.com/beevik/etree"
)

// parts are what a wrapping attack is made of: a genuine signed assertion, the same without its signature, the signature,
// and the attacker's own assertion, which says that it is about somebody else.
type parts struct {
	whole, bare, signature, evil *etree.Element
}

func attackParts(t *testing.T, id string) parts {
	t.Helper()
	whole := signed(t, plain(), issuer(), nil)
	bare := whole.Copy()
	signature := bare.SelectElement("Signature")
	bare.RemoveChild(signature)
	return parts{
		whole: whole, bare: bare, signature: signature.Copy(),
		evil: element(t, plain("alice", "admin", `ID="_a1"`, `ID="`+id+`"`)),
	}
}

// with returns a copy of the element with others appended.
func with(el *etree.Element, children ...*etree.Element) *etree.Element {
	el = el.Copy()
	for _, child := range children {
		el.AddChild(child.Copy())
	}
	return el
}

// first returns a copy of the element with others as its first children.
func first(el *etree.Element, children ...*etree.Element) *etree.Element {
	el = el.Copy()
	for i, child := range children {
		el.InsertChildAt(i, child.Copy())
	}
	return el
}

func wrapper(space, name string, children ...*etree.Element) *etree.Element {
	el := etree.NewElement(name)
	el.CreateAttr("xmlns", space)
	return with(el, children...)
}

func response(children ...*etree.Element) *etree.Element {
	el := wrapper("urn:oasis:names:tc:SAML:2.0:protocol", "Response", children...)
	el.CreateAttr("ID", "_r1")
	return el
}

func object(children ...*etree.Element) *etree.Element {
	return wrapper(nsSignature, "Object", children...)
}

// TestSignatureWrapping has the eight classic placements (Somorovsky and others, "On Breaking SAML: Be Whoever You Want to
// Be", section 4.2), each with another ID, with the same one, and with the attacker's assertion or a Response as root. What
// would be wrong is that admin comes out; what is right is that nothing does.
func TestSignatureWrapping(t *testing.T) {
	if a, err := verify(sign(t, plain(), issuer())); err != nil || a.Subject != "alice" {
		t.Fatalf("the genuine one: %+v, %v", a, err)
	}
	for _, id := range []string{"_evil", "_a1"} {
		p := attackParts(t, id)
		for name, root := range map[string]*etree.Element{
			"1: the original in the signature of the evil one":           with(p.evil, with(p.signature, p.bare)),
			"1: the whole original in it":                                with(p.evil, with(p.signature, p.whole)),
			"2: the original beside the detached signature":              with(p.evil, p.bare, p.signature),
			"2: the same, in front":                                      first(p.evil, p.bare, p.signature),
			"3: the evil one before the original":                        response(p.evil, p.whole),
			"3: after it":                                                response(p.whole, p.evil),
			"3: the evil one in the original":                            with(p.whole, p.evil),
			"3: the same, in front":                                      first(p.whole, p.evil),
			"4: the original in the evil one":                            with(p.evil, p.whole),
			"4: the same in a Response":                                  response(with(p.evil, p.whole)),
			"5: the signature in the evil one, the original after it":    response(with(p.evil, p.signature), p.bare),
			"5: the signature in the evil one, the original nowhere":     with(p.evil, p.signature),
			"6: the original in the signature, in a Response":            response(with(p.evil, with(p.signature, p.bare))),
			"7: the evil one in Extensions":                              response(wrapper("urn:oasis:names:tc:SAML:2.0:protocol", "Extensions", p.evil), p.whole),
			"7: the same in the original":                                with(p.whole, wrapper("urn:any", "Extensions", p.evil)),
			"8: the original in an Object of the evil one's signature":   with(p.evil, with(p.signature, object(p.bare))),
			"8: the whole original there":                                with(p.evil, with(p.signature, object(p.whole))),
			"8: the evil one in an Object of the original's signature":   with(p.bare, with(p.signature, object(p.evil))),
			"the evil one in Advice":                                     with(p.whole, wrapper(nsAssertion, "Advice", p.evil)),
			"a second signature, of nobody":                              with(p.whole, p.signature),
			"the signature one deeper":                                   with(p.bare, wrapper("urn:any", "x", p.signature)),
			"the evil Subject in the signature":                          with(p.bare, with(p.signature, p.evil.SelectElement("Subject"))),
			"the evil Subject in an Object":                              with(p.bare, with(p.signature, object(p.evil.SelectElement("Subject")))),
			"two Subjects":                                               with(p.whole, p.evil.SelectElement("Subject")),
			"two Subjects, the evil one first":                           first(p.whole, p.evil.SelectElement("Subject")),
			"an evil KeyInfo beside":                                     with(p.evil, with(p.signature, wrapper(nsSignature, "KeyInfo"))),
			"two SignedInfo":                                             with(p.bare, first(p.signature, p.signature.SelectElement("SignedInfo"))),
			"a SignedInfo in an Object":                                  with(p.bare, with(p.signature, object(p.signature.SelectElement("SignedInfo")))),
			"another element of the name in another namespace":           with(p.whole, wrapper("urn:any", "Assertion")),
			"another signature of the name in another namespace":         with(p.whole, wrapper("urn:any", "Signature")),
			"an encrypted one beside":                                    with(p.whole, wrapper(nsAssertion, "EncryptedAssertion")),
			"the signature first, over the original after the signature": first(p.evil, with(p.signature), p.bare),
		} {
			t.Run(fmt.Sprintf("%s/%s", id, name), func(t *testing.T) {
				refused(t, write(t, root), ErrMalformed, ErrSignature)
			})
		}
	}
}

// TestTwoReferences: a signature over the original and over something else, both in truth, is refused all the same, and so
// is one over nothing in particular.
func TestTwoReferences(t *testing.T) {
	for name, change := range map[string]func(info *etree.Element){
		"twice the same":       func(info *etree.Element) { info.AddChild(info.SelectElement("Reference").Copy()) },
		"the document as such": func(info *etree.Element) { info.SelectElement("Reference").CreateAttr("URI", "") },
		"no URI":               func(info *etree.Element) { info.SelectElement("Reference").RemoveAttr("URI") },
		"an XPointer":          func(info *etree.Element) { info.SelectElement("Reference").CreateAttr("URI", "#xpointer(/)") },
		"a URL": func(info *etree.Element) {
			info.SelectElement("Reference").CreateAttr("URI", "http://evil.example/_a1")
		},
		"no reference": func(info *etree.Element) { info.RemoveChild(info.SelectElement("Reference")) },
	} {
		t.Run(name, func(t *testing.T) {
			el := signed(t, plain(), issuer(), nil)
			change(el.FindElement("./Signature/SignedInfo"))
			refused(t, write(t, resigned(t, el, issuer())), ErrMalformed)
		})
	}
}

// resigned makes the signature value anew over a SignedInfo that was changed, as the holder of the key can.
func resigned(t *testing.T, el *etree.Element, by identity) *etree.Element {
	t.Helper()
	ctx := signing(t, by, nil)
	info := el.FindElement("./Signature/SignedInfo").Copy()
	info.CreateAttr("xmlns:ds", nsSignature)
	raw, err := ctx.Canonicalizer.Canonicalize(info)
	if err != nil {
		t.Fatal(err)
	}
	value, err := ctx.SignString(string(raw))
	if err != nil {
		t.Fatal(err)
	}
	el.FindElement("./Signature/SignatureValue").SetText(encode(value))
	return el
}

// TestResigned shows that the helper above makes signatures that hold.
func TestResigned(t *testing.T) {
	el := signed(t, plain(), issuer(), nil)
	before := el.FindElement("./Signature/SignatureValue").Text()
	el.FindElement("./Signature/SignatureValue").SetText("AAAA")
	if text := write(t, resigned(t, el, issuer())); !strings.Contains(text, before) {
		t.Error("RSASSA-PKCS1-v1_5 should give the same signature again")
	}
}
