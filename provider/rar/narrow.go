package rar

import (
	"reflect"
	"slices"

	"signet/provider/oauth"
)

// Narrow reads the authorization_details of a token request that asks for less than was granted (RFC 9396
// section 6.1). Each element that is asked for must lie within one that was granted, and no two within the same one:
// the same type and the same members with the same values, except that a list of what is allowed (actions,
// datatypes, locations, privileges and the type's own Lists) may leave out some of its elements, but not all. A member
// that is left out altogether may mean "any", so that it is refused. Numbers are the same when they are written
// the same way. The error is invalid_authorization_details.
func (t *Types) Narrow(granted oauth.Details, raw string) (oauth.Details, *oauth.Error) {
	wanted, fault := t.parse(raw)
	if fault != nil {
		return nil, fault
	}
	if len(wanted) > len(granted) {
		return nil, oauth.Errorf(oauth.InvalidDetails, "authorization_details has more elements than were granted")
	}
	bounds := make([]map[string]any, len(granted))
	for i, detail := range granted {
		bounds[i], _ = readObject(detail.JSON) // one that cannot be read bounds nothing
	}
	m := matching{owner: make([]int, len(granted))}
	for i := range m.owner {
		m.owner[i] = -1
	}
	narrowed := make(oauth.Details, 0, len(wanted))
	for _, w := range wanted {
		var choices []int
		for i, bound := range bounds {
			if bound != nil && w.kind.within(w.object, bound) {
				choices = append(choices, i)
			}
		}
		m.choices = append(m.choices, choices)
		narrowed = append(narrowed, oauth.Detail{Type: w.kind.Name, JSON: w.text})
	}
	for i := range wanted {
		if !m.place(i, make([]bool, len(granted))) {
			return nil, refuse(i, "it is not within what was granted")
		}
	}
	return narrowed, nil
}

// matching finds each wanted element a granted one of its own, by augmenting paths.
type matching struct {
	choices [][]int // per wanted element: granted ones that it lies within
	owner   []int   // per granted element: the wanted one that has it, or -1
}

func (m *matching) place(wanted int, seen []bool) bool {
	for _, choice := range m.choices[wanted] {
		if seen[choice] {
			continue
		}
		seen[choice] = true
		if m.owner[choice] < 0 || m.place(m.owner[choice], seen) {
			m.owner[choice] = wanted
			return true
		}
	}
	return false
}

// within says whether the element allows no more than the bound.
func (k *kind) within(object, bound map[string]any) bool {
	if len(object) != len(bound) {
		return false
	}
	for name, value := range object {
		limit, known := bound[name]
		if !known {
			return false
		}
		if !reflect.DeepEqual(value, limit) && !(k.isList(name) && isPartOf(value, limit)) {
			return false
		}
	}
	return true
}

func (k *kind) isList(name string) bool {
	switch name {
	case memberActions, memberDatatypes, memberLocations, memberPrivileges:
		return true
	}
	return slices.Contains(k.Lists, name)
}

// isPartOf says whether every element of the first list is in the second, as often as it is in the first.
func isPartOf(value, limit any) bool {
	list, ok1 := value.([]any)
	bound, ok2 := limit.([]any)
	if !ok1 || !ok2 || len(list) == 0 {
		return false
	}
	left := slices.Clone(bound)
	for _, item := range list {
		i := slices.IndexFunc(left, func(other any) bool { return reflect.DeepEqual(item, other) })
		if i < 0 {
			return false
		}
		left = slices.Delete(left, i, i+1)
	}
	return true
}
