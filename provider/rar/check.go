package rar

import (
	"errors"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"signet/provider/oauth"
)

// Check reads a client's authorization_details parameter (RFC 9396 section 5). The error is
// invalid_authorization_details and repeats nothing of what was sent.
func (t *Types) Check(client *oauth.Client, raw string) (oauth.Details, *oauth.Error) {
	elements, fault := t.parse(raw)
	if fault != nil {
		return nil, fault
	}
	details := make(oauth.Details, 0, len(elements))
	for i, e := range elements {
		name := e.kind.Name
		if !slices.Contains(client.DetailsTypes, name) {
			return nil, refuse(i, "the client is not registered for its type")
		}
		if !e.kind.standsAt(e.object, client.Resources) {
			return nil, refuse(i, "one of its locations is not a resource server for which it counts")
		}
		details = append(details, oauth.Detail{Type: name, JSON: e.text})
	}
	return details, nil
}

// parsed is an element of a known type that its schema accepts.
type parsed struct {
	element
	kind *kind
}

func (t *Types) parse(raw string) ([]parsed, *oauth.Error) {
	elements, err := read(raw)
	if err != nil {
		return nil, oauth.Errorf(oauth.InvalidDetails, "authorization_details: %s", err.Error())
	}
	all := make([]parsed, 0, len(elements))
	for i, e := range elements {
		name, _ := e.object[memberType].(string)
		if name == "" {
			return nil, refuse(i, "it has no type (RFC 9396 section 2)")
		}
		k := t.byName[name]
		if k == nil {
			return nil, refuse(i, "its type is not supported")
		}
		if err := k.schema.Validate(e.object); err != nil {
			return nil, refuse(i, "it does not fit its type's schema"+whereIn(err)).Because(err)
		}
		all = append(all, parsed{e, k})
	}
	return all, nil
}

func refuse(i int, why string) *oauth.Error {
	return oauth.Errorf(oauth.InvalidDetails, "authorization_details, element %d: %s", i+1, why)
}

// whereIn names the part of the schema that was not met: text of ours, unlike the place in what was sent.
func whereIn(err error) string {
	var fault *jsonschema.ValidationError
	if !errors.As(err, &fault) {
		return ""
	}
	for len(fault.Causes) > 0 {
		fault = fault.Causes[0]
	}
	_, place, _ := strings.Cut(fault.SchemaURL, "#")
	for _, keyword := range fault.ErrorKind.KeywordPath() {
		place += "/" + keyword
	}
	return " at " + place
}

// standsAt says whether all locations that the element names are at resource servers where it counts: the type's own,
// or the client's when the type counts everywhere.
func (k *kind) standsAt(object map[string]any, registered []string) bool {
	allowed := k.Resources
	if len(allowed) == 0 {
		allowed = registered
	}
	locations, named := locationsOf(object)
	for _, location := range locations {
		if !isAt(location, allowed) {
			return false
		}
	}
	return !named || len(locations) > 0
}

// locationsOf returns the element's locations (RFC 9396 section 2.2). Whatever is not a list of texts counts as a list
// without any that could be anywhere.
func locationsOf(object map[string]any) (locations []string, named bool) {
	value, named := object[memberLocations]
	list, _ := value.([]any)
	for _, item := range list {
		location, ok := item.(string)
		if !ok {
			return nil, named
		}
		locations = append(locations, location)
	}
	return locations, named
}

// isAt says whether the location is one of the resource servers or a path below one.
func isAt(location string, resources []string) bool {
	return slices.ContainsFunc(resources, func(resource string) bool {
		return location == resource || strings.HasPrefix(location, strings.TrimSuffix(resource, "/")+"/")
	})
}

// For returns the client's details that count at one of the resource servers, for a token for them (RFC 9396 sections
// 7 and 9). A detail counts where its type does and, if it names locations, where one of them is. One whose type is
// not configured any more, or that the client is not registered for any more, counts nowhere.
func (t *Types) For(client *oauth.Client, details oauth.Details, audience []string) oauth.Details {
	var here oauth.Details
	for _, detail := range details {
		k := t.byName[detail.Type]
		if k == nil || !slices.Contains(client.DetailsTypes, detail.Type) {
			continue
		}
		object, err := readObject(detail.JSON)
		if err != nil {
			continue
		}
		if k.countsAt(object, audience) {
			here = append(here, detail)
		}
	}
	return here
}

func (k *kind) countsAt(object map[string]any, audience []string) bool {
	locations, named := locationsOf(object)
	return slices.ContainsFunc(audience, func(server string) bool {
		if len(k.Resources) > 0 && !slices.Contains(k.Resources, server) {
			return false
		}
		return !named || slices.ContainsFunc(locations, func(location string) bool { return isAt(location, []string{server}) })
	})
}
