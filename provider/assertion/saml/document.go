package saml

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/beevik/etree"
)

// What can be wrong with a document. Returned errors wrap one of these, or are a [Fault]; none echoes the document.
var (
	// ErrMalformed: it is not a SAML 2.0 assertion of the one shape that is read.
	ErrMalformed = errors.New("not a SAML 2.0 assertion that is read here")
	// ErrAlgorithm: an algorithm of its signature is not allowed.
	ErrAlgorithm = errors.New("algorithm not allowed")
	// ErrSignature: it has no signature, or none of the certificates' keys made it.
	ErrSignature = errors.New("signature does not match")
)

// MaxSize bounds a document, in bytes.
const MaxSize = 48 << 10

// Limits on a document's structure. MaxID also bounds what is remembered of an assertion that was used, in bytes.
const (
	MaxID         = 256
	maxDepth      = 24
	maxElements   = 400
	maxAttributes = 32 // of one element
)

// The namespaces of SAML Core section 1.1 and of XML Signature, and the one that XML has by itself.
const (
	nsAssertion = "urn:oasis:names:tc:SAML:2.0:assertion"
	nsSignature = "http://www.w3.org/2000/09/xmldsig#"
)

// Document is an assertion of the right shape. Nothing in it is authentic yet.
type Document struct {
	root      *etree.Element
	signature *etree.Element
	id        string
	issuer    string
	algorithm signatureAlgorithm
}

// ClaimedIssuer is who says that it made the assertion: it only tells which certificates to try.
func (d *Document) ClaimedIssuer() string { return d.issuer }

// Algorithm is the one of its signature, by the name that JOSE has for it (see [Algorithms]).
func (d *Document) Algorithm() string { return d.algorithm.jose }

var (
	declaration = regexp.MustCompile(`^<\?xml\s+version\s*=\s*["']1\.0["'](\s+encoding\s*=\s*["'](?i:utf-8)["'])?(\s+standalone\s*=\s*["'](yes|no)["'])?\s*\?>`)
	// ncName are XML names without a colon, of ASCII alone: other letters are where parsers differ.
	ncName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9._-]*$`)
)

// Parse reads a document strictly and computes nothing with it. Errors wrap [ErrMalformed], [ErrAlgorithm] or, where there
// is no signature at all, [ErrSignature].
func Parse(raw []byte) (*Document, error) {
	root, err := parse(raw)
	if err != nil {
		return nil, err
	}
	d := &Document{root: root}
	if d.id, err = assertionID(root); err != nil {
		return nil, err
	}
	if d.signature, err = soleSignature(root); err != nil {
		return nil, err
	}
	if d.algorithm, err = checkSignature(d.signature, d.id); err != nil {
		return nil, err
	}
	issuer := root.ChildElements()[0]
	if !is(issuer, nsAssertion, "Issuer") {
		return nil, malformed("its first element is not Issuer")
	}
	d.issuer, err = text(issuer)
	return d, err
}

func malformed(reason string) error { return fmt.Errorf("%w: %s", ErrMalformed, reason) }

// parse makes a tree of the bytes, of which only elements, attributes and text are left.
func parse(raw []byte) (*etree.Element, error) {
	if len(raw) > MaxSize {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrMalformed, MaxSize)
	}
	if !utf8.Valid(raw) {
		return nil, malformed("not UTF-8")
	}
	raw = raw[len(declaration.Find(raw)):]
	// In well-formed XML "<" is always the start of markup, so that this is every document type, entity, comment, CDATA
	// section and processing instruction that there could be.
	if bytes.Contains(raw, []byte("<!")) || bytes.Contains(raw, []byte("<?")) {
		return nil, malformed("it has a document type, a comment, a CDATA section or a processing instruction")
	}
	doc := etree.NewDocument()
	doc.ReadSettings = etree.ReadSettings{PreserveDuplicateAttrs: true, MaxDepth: maxDepth}
	if err := doc.ReadFromBytes(raw); err != nil {
		return nil, malformed("not well-formed XML")
	}
	root, err := soleElement(&doc.Element)
	if err != nil {
		return nil, err
	}
	return root, (&walker{ids: map[string]bool{}}).element(root)
}

// soleElement returns the one child element of a document that has nothing else but white space.
func soleElement(doc *etree.Element) (*etree.Element, error) {
	children, err := elements(doc)
	if err != nil {
		return nil, err
	}
	if len(children) != 1 {
		return nil, malformed("not one root element")
	}
	return children[0], nil
}

// walker checks what holds for every element.
type walker struct {
	count int
	ids   map[string]bool
}

// element refuses names and attributes that two readers could understand differently.
func (w *walker) element(el *etree.Element) error {
	if w.count++; w.count > maxElements || len(el.Attr) > maxAttributes {
		return malformed("too many elements or attributes")
	}
	if !ncName.MatchString(el.Tag) || el.Space != "" && (!ncName.MatchString(el.Space) || reserved(el.Space)) || el.NamespaceURI() == "" {
		return malformed("an element's name is not one that is read")
	}
	if err := w.attributes(el); err != nil {
		return err
	}
	for _, token := range el.Child {
		switch child := token.(type) {
		case *etree.Element:
			if err := w.element(child); err != nil {
				return err
			}
		case *etree.CharData:
		default:
			return malformed("it has more than elements and text")
		}
	}
	return nil
}

// attributes refuses a name twice, prefixes that stand for nothing, an identifier twice, and an identifier in a namespace,
// which some readers take for the one without.
func (w *walker) attributes(el *etree.Element) error {
	seen := make(map[string]bool, len(el.Attr))
	for _, a := range el.Attr {
		if name := a.Space + ":" + a.Key; !seen[name] {
			seen[name] = true
		} else {
			return malformed("an attribute appears twice")
		}
		declares := a.Space == "xmlns" || a.Space == "" && a.Key == "xmlns"
		switch {
		case !ncName.MatchString(a.Key) || a.Space != "" && !ncName.MatchString(a.Space):
			return malformed("an attribute's name is not one that is read")
		case declares && (reserved(a.Key) && a.Space != "" || a.Value == ""):
			return malformed("a namespace is declared that cannot be")
		case !declares && a.Space != "" && a.Space != "xml" && resolve(el, a.Space) == "":
			return malformed("a prefix stands for no namespace")
		case declares || !strings.EqualFold(a.Key, "id"):
		case a.Space != "" || a.Value == "" || w.ids[a.Value]:
			return malformed("an identifier is empty, appears twice or is in a namespace")
		default:
			w.ids[a.Value] = true
		}
	}
	return nil
}

func reserved(prefix string) bool { return strings.HasPrefix(strings.ToLower(prefix), "xml") }

// resolve returns the namespace of a prefix at the element; "" = none.
func resolve(el *etree.Element, prefix string) string {
	for ; el != nil; el = el.Parent() {
		for _, a := range el.Attr {
			if a.Space == "xmlns" && a.Key == prefix {
				return a.Value
			}
		}
	}
	return ""
}

// assertionID checks that the element is an assertion, and returns its ID. That no other is in it is for soleSignature and
// the reader of the verified element to say.
func assertionID(root *etree.Element) (string, error) {
	if !is(root, nsAssertion, "Assertion") || len(root.ChildElements()) == 0 {
		return "", malformed("its root is not an Assertion")
	}
	id, _ := attr(root, "ID")
	if version, _ := attr(root, "Version"); version != "2.0" || !ncName.MatchString(id) || len(id) > MaxID {
		return "", malformed("its Version is not 2.0, or it has no usable ID")
	}
	if count(root, "Assertion") != 1 || count(root, "EncryptedAssertion") != 0 {
		return "", malformed("it has more than one assertion")
	}
	return id, nil
}

// count says how many elements of this local name there are, in any namespace, the element itself included.
func count(el *etree.Element, name string) int {
	n := 0
	if el.Tag == name {
		n++
	}
	for _, child := range el.ChildElements() {
		n += count(child, name)
	}
	return n
}

// is compares an element's whole name.
func is(el *etree.Element, namespace, name string) bool {
	return el.Tag == name && el.NamespaceURI() == namespace
}

// attr returns the attribute of that name and no namespace.
func attr(el *etree.Element, name string) (value string, ok bool) {
	for _, a := range el.Attr {
		if a.Space == "" && a.Key == name {
			return a.Value, true
		}
	}
	return "", false
}

// text returns what is in an element that has nothing else, as it is: not empty.
func text(el *etree.Element) (string, error) {
	var all strings.Builder
	for _, token := range el.Child {
		data, ok := token.(*etree.CharData)
		if !ok {
			return "", malformed("an element has more than text")
		}
		all.WriteString(data.Data)
	}
	if all.Len() == 0 {
		return "", malformed("an element is empty")
	}
	return all.String(), nil
}

// elements returns the child elements of an element that has no text beside them.
func elements(el *etree.Element) ([]*etree.Element, error) {
	var list []*etree.Element
	for _, token := range el.Child {
		switch child := token.(type) {
		case *etree.Element:
			list = append(list, child)
		case *etree.CharData:
			if strings.Trim(child.Data, " \t\r\n") != "" {
				return nil, malformed("text beside elements")
			}
		default:
			return nil, malformed("it has more than elements and text")
		}
	}
	return list, nil
}
