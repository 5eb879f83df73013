package policy

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
)

// The keys of what only some grants have.
var (
	keyIntrospects = ast.StringTerm("introspects")
	keyTrustedFor  = ast.StringTerm("trusted_for")
	keyExchange    = ast.StringTerm("exchange")
	keyTransaction = ast.StringTerm("transaction")
	keyAssertion   = ast.StringTerm("assertion")
	keyParameters  = ast.StringTerm("parameters")

	keySubjectTokenType   = ast.StringTerm("subject_token_type")
	keySubjectIssuer      = ast.StringTerm("subject_issuer")
	keySubjectClaims      = ast.StringTerm("subject_claims")
	keyActorTokenType     = ast.StringTerm("actor_token_type")
	keyActors             = ast.StringTerm("actors")
	keyRequestedTokenType = ast.StringTerm("requested_token_type")
	keySub                = ast.StringTerm("sub")
	keyIss                = ast.StringTerm("iss")
	keyClientID           = ast.StringTerm("client_id")

	keyAudience       = ast.StringTerm("audience")
	keyRequestContext = ast.StringTerm("request_context")
	keyRequestDetails = ast.StringTerm("request_details")
	keyReplaces       = ast.StringTerm("replaces")
)

func (g *Grant) term(s *slab) (*ast.Term, error) {
	details, err := s.documents(g.Details)
	if err != nil {
		return nil, err
	}
	exchange, err := g.Exchange.term(s)
	if err != nil {
		return nil, fmt.Errorf("policy input: subject_claims: %w", err)
	}
	transaction, err := g.Transaction.term(s)
	if err != nil {
		return nil, fmt.Errorf("policy input: transaction: %w", err)
	}
	assertion, err := g.Assertion.term(s)
	if err != nil {
		return nil, fmt.Errorf("policy input: assertion: %w", err)
	}
	return s.object(
		ast.Item(keyType, s.text(g.Type)),
		ast.Item(keyScope, s.list(g.Scope)),
		ast.Item(keyRequested, ast.InternedTerm(g.Requested)),
		ast.Item(keyResources, s.list(g.Resources)),
		ast.Item(keyDetails, details),
		ast.Item(keyExchange, exchange),
		ast.Item(keyTransaction, transaction),
		ast.Item(keyAssertion, assertion),
		ast.Item(keyParameters, s.texts(g.Parameters)),
	), nil
}

// size is how many terms the facts of a grant need at most.
func (g *Grant) size() int {
	n := len(g.Scope) + len(g.Resources) + len(g.Parameters)
	if g.Exchange != nil {
		n += 6 + 4*len(g.Exchange.Actors)
	}
	return n
}

func (x *Exchange) term(s *slab) (*ast.Term, error) {
	if x == nil {
		return ast.InternedNullTerm, nil
	}
	claims, err := openObject(x.SubjectClaims)
	if err != nil {
		return nil, err
	}
	return s.object(
		ast.Item(keySubjectTokenType, s.text(x.SubjectTokenType)),
		ast.Item(keySubjectIssuer, s.text(x.SubjectIssuer)),
		ast.Item(keySubjectClaims, claims),
		ast.Item(keyActorTokenType, s.text(x.ActorTokenType)),
		ast.Item(keyActors, s.actors(x.Actors)),
		ast.Item(keyRequestedTokenType, s.text(x.RequestedTokenType)),
	), nil
}

func (s *slab) actors(chain []Actor) *ast.Term {
	if len(chain) == 0 {
		return ast.InternedEmptyArray
	}
	terms := make([]*ast.Term, len(chain))
	for i, actor := range chain {
		terms[i] = s.object(
			ast.Item(keySub, s.text(actor.Subject)),
			ast.Item(keyIss, s.text(actor.Issuer)),
			ast.Item(keyClientID, s.text(actor.ClientID)),
		)
	}
	return s.term(ast.NewArray(terms...))
}

func (x *Transaction) term(s *slab) (*ast.Term, error) {
	if x == nil {
		return ast.InternedNullTerm, nil
	}
	about, err := openObject(x.RequestContext)
	if err != nil {
		return nil, fmt.Errorf("request_context: %w", err)
	}
	details, err := openObject(x.RequestDetails)
	if err != nil {
		return nil, fmt.Errorf("request_details: %w", err)
	}
	return s.object(
		ast.Item(keyAudience, s.text(x.Audience)),
		ast.Item(keyRequestContext, about),
		ast.Item(keyRequestDetails, details),
		ast.Item(keyReplaces, ast.InternedTerm(x.Replaces)),
	), nil
}

func (a *Assertion) term(s *slab) (*ast.Term, error) {
	if a == nil {
		return ast.InternedNullTerm, nil
	}
	claims, err := openObject(a.Claims)
	if err != nil {
		return nil, err
	}
	return s.object(ast.Item(keyIssuer, s.text(a.Issuer)), ast.Item(keyClaims, claims)), nil
}

// texts is an object of texts.
func (s *slab) texts(texts map[string]string) *ast.Term {
	if len(texts) == 0 {
		return ast.InternedEmptyObject
	}
	object := ast.NewObject()
	for name, text := range texts {
		object.Insert(ast.StringTerm(name), s.text(text))
	}
	return s.term(object)
}

var errNoObject = errors.New("it is not a JSON object")

// openObject takes in a JSON object whose members are not Signet's to know; numbers keep their digits.
func openObject(text json.RawMessage) (*ast.Term, error) {
	if len(text) == 0 {
		return ast.InternedEmptyObject, nil
	}
	term, err := document(text)
	if err != nil {
		return nil, err
	}
	if _, ok := term.Value.(ast.Object); !ok {
		return nil, errNoObject
	}
	return term, nil
}
