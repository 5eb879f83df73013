package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/open-policy-agent/opa/v1/ast"
)

// The members of data.signet.decision; see bundle/decision.rego.
var (
	keyDeny            = ast.StringTerm("deny")
	keyGranted         = ast.StringTerm("granted")
	keyWithheldDetails = ast.StringTerm("withheld_details")
	keyAccessClaims    = ast.StringTerm("access_claims")
	keyIDClaims        = ast.StringTerm("id_claims")
	keyTxnContext      = ast.StringTerm("transaction_context")
	keyAccessLifetime  = ast.StringTerm("access_lifetime")
	keyIDLifetime      = ast.StringTerm("id_lifetime")
	keyRefreshLifetime = ast.StringTerm("refresh_lifetime")

	keyRule  = ast.StringTerm("rule")
	keyError = ast.StringTerm("error")
	keyText  = ast.StringTerm("text")
)

// readDecision turns the evaluated document into a Decision, or says what is wrong with it. A refusal
// is read no further than its denials.
func readDecision(document *ast.Term, bound *Grant) (Decision, error) {
	object, ok := document.Value.(ast.Object)
	if !ok {
		return Decision{}, errors.New("the decision is not an object")
	}
	var d Decision
	var err error
	if d.Denials, err = readDenials(object, keyClient, keyGrant, keyScope, keyToken); err != nil || len(d.Denials) > 0 {
		return d, err
	}
	if d.Scope, err = readScope(object.Get(keyGranted), bound.Scope); err != nil {
		return Decision{}, err
	}
	if d.Details, err = readDetails(object, len(bound.Details)); err != nil {
		return Decision{}, err
	}
	if d.AccessClaims, err = readClaims(object, keyAccessClaims); err != nil {
		return Decision{}, err
	}
	if d.IDClaims, err = readClaims(object, keyIDClaims); err != nil {
		return Decision{}, err
	}
	if d.TransactionContext, err = readMembers(object, keyTxnContext); err != nil {
		return Decision{}, err
	}
	if d.AccessLifetime, err = readLifetime(object, keyAccessLifetime, MaxAccessLifetime); err != nil {
		return Decision{}, err
	}
	if d.IDLifetime, err = readLifetime(object, keyIDLifetime, MaxIDLifetime); err != nil {
		return Decision{}, err
	}
	if d.RefreshLifetime, err = readLifetime(object, keyRefreshLifetime, MaxRefreshLifetime); err != nil {
		return Decision{}, err
	}
	return d, nil
}

// readRegistration reads the answer about a registration: nothing but denials.
func readRegistration(document *ast.Term, _ *Grant) (d Decision, err error) {
	object, ok := document.Value.(ast.Object)
	if !ok {
		return d, errors.New("the decision is not an object")
	}
	d.Denials, err = readDenials(object, keyRegistration)
	return d, err
}

// readDenials reads those of the questions, in their order.
func readDenials(document ast.Object, questions ...*ast.Term) ([]Denial, error) {
	deny, ok := member[ast.Object](document, keyDeny)
	if !ok {
		return nil, errors.New("deny is not an object")
	}
	var denials []Denial
	for _, key := range questions {
		set, ok := member[ast.Set](deny, key)
		if !ok {
			return nil, fmt.Errorf("deny.%s is not a set", text(key))
		}
		if set.Len() == 0 {
			continue
		}
		for _, term := range set.Slice() {
			denial, err := readDenial(text(key), term)
			if err != nil {
				return nil, fmt.Errorf("deny.%s: %w", text(key), err)
			}
			denials = append(denials, denial)
		}
	}
	if len(denials) > MaxDenials {
		return nil, fmt.Errorf("more than %d denials", MaxDenials)
	}
	slices.SortStableFunc(denials, func(a, b Denial) int {
		if a.Decision != b.Decision {
			return 0 // already in the order of the questions
		}
		return strings.Compare(a.Rule, b.Rule)
	})
	return denials, nil
}

func readDenial(decision string, term *ast.Term) (Denial, error) {
	object, ok := term.Value.(ast.Object)
	if !ok || object.Len() != 3 {
		return Denial{}, errors.New("a denial is an object of rule, error and text")
	}
	rule, ok1 := member[ast.String](object, keyRule)
	code, ok2 := member[ast.String](object, keyError)
	reason, ok3 := member[ast.String](object, keyText)
	switch {
	case !ok1 || !isRuleID(string(rule)):
		return Denial{}, errors.New("a denial's rule must be a short text of letters, digits, dots, dashes and underscores")
	case !ok2 || !isErrorCode(decision, string(code)):
		return Denial{}, fmt.Errorf("rule %s: its error is not one that a policy may answer with", string(rule))
	case !ok3 || !isLine(string(reason), MaxTextLength):
		return Denial{}, fmt.Errorf("rule %s: its text must be one line of at most %d bytes", string(rule), MaxTextLength)
	}
	return Denial{Decision: decision, Rule: string(rule), Error: string(code), Text: string(reason)}, nil
}

// readScope accepts an array or a set of scopes within the bound and gives them the bound's order.
func readScope(term *ast.Term, bound []string) ([]string, error) {
	granted, ok := elements(term)
	if !ok {
		return nil, errors.New("granted is neither an array nor a set")
	}
	if len(granted) > len(bound) {
		return nil, errors.New("granted holds more than was asked for")
	}
	take := make([]bool, len(bound))
	for _, term := range granted {
		scope, ok := term.Value.(ast.String)
		if !ok {
			return nil, errors.New("granted holds something that is not text")
		}
		i := slices.Index(bound, string(scope))
		if i < 0 {
			return nil, errors.New("granted holds a scope beyond the upper bound")
		}
		take[i] = true
	}
	scopes := make([]string, 0, len(granted))
	for i, scope := range bound {
		if take[i] {
			scopes = append(scopes, scope)
		}
	}
	return scopes, nil
}

// allDetails is how a policy says that every element is granted.
const allDetails = ast.String("all")

// readDetails takes what is withheld from what is granted, and returns the positions that are left, of n; nil = all.
func readDetails(document ast.Object, n int) ([]int, error) {
	withheld, err := readPositions(document.Get(keyWithheldDetails), n)
	if err != nil {
		return nil, fmt.Errorf("withheld details: %w", err)
	}
	take := make([]bool, n)
	granted := valueOf(document.Get(keyDetails))
	if all, ok := granted.(ast.String); ok && all == allDetails {
		if len(withheld) == 0 {
			return nil, nil
		}
		for i := range take {
			take[i] = true
		}
	} else {
		positions, err := readPositions(document.Get(keyDetails), n)
		if err != nil {
			return nil, fmt.Errorf(`granted_details: it must be "all" or hold positions: %w`, err)
		}
		for _, i := range positions {
			take[i] = true
		}
	}
	for _, i := range withheld {
		take[i] = false
	}
	left := make([]int, 0, n)
	for i, taken := range take {
		if taken {
			left = append(left, i)
		}
	}
	return left, nil
}

// readPositions accepts an array or a set of positions in input.grant.authorization_details.
func readPositions(term *ast.Term, n int) ([]int, error) {
	terms, ok := elements(term)
	if !ok {
		return nil, errors.New("neither an array nor a set")
	}
	positions := make([]int, 0, min(len(terms), n))
	for _, term := range terms {
		number, ok := term.Value.(ast.Number)
		if !ok {
			return nil, errors.New("a position that is not a number")
		}
		i, ok := number.Int()
		if !ok || i < 0 || i >= n {
			return nil, errors.New("a position at which there is nothing")
		}
		positions = append(positions, i)
	}
	return positions, nil
}

// elements returns those of an array or a set.
func elements(term *ast.Term) ([]*ast.Term, bool) {
	switch value := valueOf(term).(type) {
	case *ast.Array:
		terms := make([]*ast.Term, value.Len())
		for i := range terms {
			terms[i] = value.Elem(i)
		}
		return terms, true
	case ast.Set:
		return value.Slice(), true
	}
	return nil, false
}

// readLifetime accepts whole seconds from 0 to the limit.
func readLifetime(document ast.Object, key *ast.Term, limit time.Duration) (time.Duration, error) {
	number, ok := member[ast.Number](document, key)
	if !ok {
		return 0, fmt.Errorf("%s is not a number", text(key))
	}
	seconds, ok := number.Int64()
	if !ok || seconds < 0 || seconds > int64(limit/time.Second) {
		return 0, fmt.Errorf("%s must be whole seconds from 0 to %d", text(key), int64(limit/time.Second))
	}
	return time.Duration(seconds) * time.Second, nil
}

func member[T ast.Value](object ast.Object, key *ast.Term) (T, bool) {
	value, ok := valueOf(object.Get(key)).(T)
	return value, ok
}

func valueOf(term *ast.Term) ast.Value {
	if term == nil {
		return nil
	}
	return term.Value
}

func text(term *ast.Term) string {
	s, _ := term.Value.(ast.String)
	return string(s)
}

func isRuleID(id string) bool {
	const characters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
	return id != "" && len(id) <= MaxRuleLength && strings.Trim(id, characters) == ""
}

func isLine(line string, limit int) bool {
	return line != "" && len(line) <= limit && utf8.ValidString(line) &&
		!strings.ContainsFunc(line, func(r rune) bool { return r < 0x20 || r == 0x7F || r >= 0x80 && r < 0xA0 || r == 0x2028 || r == 0x2029 })
}
