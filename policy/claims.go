package policy

import (
	"errors"
	"fmt"
	"math"
	"unicode/utf8"

	"github.com/open-policy-agent/opa/v1/ast"
)

// maxSafeInteger is the largest integer that every JSON reader keeps exact (RFC 8259 section 6).
const maxSafeInteger = 1<<53 - 1

// readClaims converts one token's additional claims. nil means none.
func readClaims(document ast.Object, key *ast.Term) (map[string]any, error) {
	claims, err := readMembers(document, key)
	if err != nil {
		return nil, err
	}
	for name, value := range claims {
		if Reserved(name) {
			return nil, fmt.Errorf("%s: %q is reserved", text(key), name)
		}
		if name == claimMayAct && !namesActor(value) {
			return nil, fmt.Errorf("%s: %s must be an object with a sub or a client_id", text(key), name)
		}
	}
	return claims, nil
}

// readMembers converts an object of the decision, whatever the names in it. nil means none.
func readMembers(document ast.Object, key *ast.Term) (map[string]any, error) {
	object, ok := member[ast.Object](document, key)
	if !ok {
		return nil, fmt.Errorf("%s is not an object", text(key))
	}
	if object.Len() == 0 {
		return nil, nil
	}
	budget := MaxClaimsSize
	members, err := readObject(object, &budget, 1)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", text(key), err)
	}
	return members, nil
}

// claimMayAct says who may act for the subject (RFC 8693 section 4.4).
const claimMayAct = "may_act"

// namesActor says whether the value of a may_act claim names somebody. One that names nobody might be read as: anybody.
func namesActor(value any) bool {
	actor, ok := value.(map[string]any)
	if !ok {
		return false
	}
	named := false
	for _, name := range []string{"sub", "iss", "client_id"} {
		member, there := actor[name]
		text, isText := member.(string)
		if there && (!isText || text == "") {
			return false
		}
		named = named || there && name != "iss"
	}
	return named
}

var errClaimsSize = fmt.Errorf("more than %d bytes", MaxClaimsSize)

// readValue converts any Rego value to what encoding/json writes the same way; a set becomes a list.
func readValue(value ast.Value, budget *int, depth int) (any, error) {
	if depth > MaxClaimsDepth {
		return nil, fmt.Errorf("more than %d levels", MaxClaimsDepth)
	}
	*budget -= 8
	switch v := value.(type) {
	case ast.Null:
		return nil, checkBudget(budget)
	case ast.Boolean:
		return bool(v), checkBudget(budget)
	case ast.Number:
		return readNumber(v, budget)
	case ast.String:
		return readText(string(v), budget)
	case ast.Object:
		return readObject(v, budget, depth)
	case *ast.Array:
		return readList(v.Len(), v.Elem, budget, depth)
	case ast.Set:
		elements := v.Slice()
		return readList(len(elements), func(i int) *ast.Term { return elements[i] }, budget, depth)
	}
	return nil, errors.New("a value that JSON does not have")
}

func readObject(object ast.Object, budget *int, depth int) (map[string]any, error) {
	result := make(map[string]any, min(object.Len(), 64))
	err := object.Iter(func(key, term *ast.Term) error {
		name, ok := key.Value.(ast.String)
		if !ok {
			return errors.New("a name that is not text")
		}
		if _, err := readText(string(name), budget); err != nil {
			return err
		}
		value, err := readValue(term.Value, budget, depth+1)
		if err != nil {
			return err
		}
		result[string(name)] = value
		return nil
	})
	return result, err
}

func readList(length int, element func(int) *ast.Term, budget *int, depth int) (any, error) {
	result := make([]any, 0, min(length, 64))
	for i := range length {
		value, err := readValue(element(i).Value, budget, depth+1)
		if err != nil {
			return nil, err
		}
		result = append(result, value)
	}
	return result, checkBudget(budget)
}

func readText(s string, budget *int) (string, error) {
	*budget -= len(s)
	if !utf8.ValidString(s) {
		return "", errors.New("text that is not UTF-8")
	}
	return s, checkBudget(budget)
}

// readNumber refuses what other programs would read as a different number.
func readNumber(number ast.Number, budget *int) (any, error) {
	if n, ok := number.Int64(); ok {
		if n > maxSafeInteger || n < -maxSafeInteger {
			return nil, errors.New("an integer beyond 2^53-1: use text")
		}
		return n, checkBudget(budget)
	}
	f, ok := number.Float64()
	if !ok || math.IsInf(f, 0) || math.IsNaN(f) || math.Abs(f) > maxSafeInteger {
		return nil, errors.New("a number beyond 2^53-1: use text")
	}
	return f, checkBudget(budget)
}

func checkBudget(budget *int) error {
	if *budget < 0 {
		return errClaimsSize
	}
	return nil
}
