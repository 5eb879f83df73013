package interaction

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// other is the plural category of every number that no rule of its language takes.
const other = "other"

// categories are CLDR's, in the order in which rules are tried.
var categories = []string{"zero", "one", "two", "few", "many"}

// plurals are a language's rules for the forms that numbers take, by category (UTS 35 part 3, language plural rules).
type plurals map[string]rule

// rule holds for a number when all relations of one of its parts do.
type rule [][]relation

// relation compares a number, or what remains of it when divided, with ranges.
type relation struct {
	modulus int  // 0 = the number itself
	nought  bool // about the digits behind the point or the exponent, which whole numbers do not have
	not     bool
	ranges  [][2]int
}

var relationForm = regexp.MustCompile(
	`^([nivwftce])(?:\s*%\s*(\d{1,9}))?\s*(!?=)\s*(\d{1,9}(?:\.\.\d{1,9})?(?:\s*,\s*\d{1,9}(?:\.\.\d{1,9})?)*)$`)

// parsePlurals reads rules in CLDR's notation, by category. Samples, from "@" on, are left out.
func parsePlurals(texts map[string]string) (plurals, error) {
	rules := plurals{}
	for category, text := range texts {
		if !slices.Contains(categories, category) {
			return nil, fmt.Errorf("plurals: %q is not one of %s", category, strings.Join(categories, ", "))
		}
		condition, _, _ := strings.Cut(text, "@")
		parsed, err := parseRule(condition)
		if err != nil {
			return nil, fmt.Errorf("plurals: %s: %w", category, err)
		}
		rules[category] = parsed
	}
	return rules, nil
}

func parseRule(text string) (rule, error) {
	var parsed rule
	for part := range strings.SplitSeq(text, " or ") {
		var all []relation
		for one := range strings.SplitSeq(part, " and ") {
			r, err := parseRelation(strings.TrimSpace(one))
			if err != nil {
				return nil, err
			}
			all = append(all, r)
		}
		parsed = append(parsed, all)
	}
	return parsed, nil
}

func parseRelation(text string) (relation, error) {
	found := relationForm.FindStringSubmatch(text)
	if found == nil {
		return relation{}, fmt.Errorf("%q is not a relation such as n %% 10 = 2..4", text)
	}
	operand, modulus, sign, list := found[1], found[2], found[3], found[4]
	r := relation{nought: operand != "n" && operand != "i", not: sign == "!="}
	if modulus != "" {
		r.modulus = number(modulus)
		if r.modulus == 0 {
			return relation{}, fmt.Errorf("%q divides by 0", text)
		}
	}
	for item := range strings.SplitSeq(list, ",") {
		from, to, isRange := strings.Cut(strings.TrimSpace(item), "..")
		if !isRange {
			to = from
		}
		r.ranges = append(r.ranges, [2]int{number(from), number(to)})
	}
	return r, nil
}

// number reads at most nine digits.
func number(digits string) int {
	n, _ := strconv.Atoi(digits) // the pattern has seen to it
	return n
}

// of returns the category of a whole number.
func (p plurals) of(n int) string {
	for _, category := range categories {
		if rule, there := p[category]; there && rule.holds(n) {
			return category
		}
	}
	return other
}

func (r rule) holds(n int) bool {
	return slices.ContainsFunc(r, func(all []relation) bool {
		return !slices.ContainsFunc(all, func(one relation) bool { return !one.holds(n) })
	})
}

func (r relation) holds(n int) bool {
	switch {
	case r.nought:
		n = 0
	case r.modulus > 0:
		n %= r.modulus
	}
	within := slices.ContainsFunc(r.ranges, func(between [2]int) bool { return between[0] <= n && n <= between[1] })
	return within != r.not
}
