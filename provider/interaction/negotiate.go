package interaction

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"signet/provider/oauth"
)

// Languages that are asked for beyond these bounds are not looked at; browsers send some ten.
const (
	maxAccept = 1 << 10 // bytes of Accept-Language
	maxRanges = 32
)

// paramLocales is the parameter by which clients ask for languages (OpenID Connect Core section 3.1.2.1).
const paramLocales = "ui_locales"

// manner is how pages speak to a user and how they are laid out.
type manner struct {
	language *language
	locales  []string // what the client asked for, for the pages that follow
	display  string   // popup, touch, wap, or "" for a page (OpenID Connect Core section 3.1.2.1)
}

type mannerKey struct{}

// manner returns how to speak to the browser that sent the request: as the waiting request wants it, if it is known
// (see in), or else this request's own parameters, and else as the browser itself prefers.
func (p *Pages) manner(r *http.Request) manner {
	if known, ok := r.Context().Value(mannerKey{}).(manner); ok {
		return known
	}
	query := r.URL.Query()
	return p.mannerFor(r, strings.Fields(sole(query, paramLocales)), sole(query, "display"))
}

// sole returns the parameter's value if it is there once and of a size that makes sense.
func sole(query url.Values, name string) string {
	if values := query[name]; len(values) == 1 && len(values[0]) <= maxAccept {
		return values[0]
	}
	return ""
}

// in returns the request with the manner that a waiting request asks for.
func (p *Pages) in(r *http.Request, waiting oauth.AuthorizationRequest) *http.Request {
	m := p.mannerFor(r, waiting.UILocales, waiting.Display)
	return r.WithContext(context.WithValue(r.Context(), mannerKey{}, m))
}

func (p *Pages) mannerFor(r *http.Request, locales []string, display string) manner {
	m := manner{locales: locales[:min(len(locales), maxRanges)], language: p.languages.english}
	if display == "popup" || display == "touch" || display == "wap" {
		m.display = display
	}
	for _, ranges := range [][]string{m.locales, acceptLanguage(r.Header.Values("Accept-Language"))} {
		if found := p.languages.lookup(ranges); found != nil {
			m.language = found
			break
		}
	}
	return m
}

// words are the language of the answer to the request.
func (p *Pages) words(r *http.Request) *language { return p.manner(r).language }

// keep adds to the address of an endpoint what its pages need to go on in the same language.
func (m manner) keep(address string) string {
	if len(m.locales) == 0 {
		return address
	}
	mark := "?"
	if strings.Contains(address, "?") {
		mark = "&"
	}
	return address + mark + paramLocales + "=" + url.QueryEscape(strings.Join(m.locales, " "))
}

// lookup finds the language for an ordered list of ranges: each is shortened from its end until there is a language of
// that tag, before the next one's turn comes (RFC 4647 section 3.4). It returns nil when there is none.
func (l *languages) lookup(ranges []string) *language {
	for _, wanted := range ranges {
		for tag := strings.ToLower(wanted); tag != ""; tag = shorten(tag) {
			if found := l.byTag[tag]; found != nil {
				return found
			}
		}
	}
	return nil
}

// shorten takes off the last part of a tag, and a single letter or digit before it, which only introduced that part
// (RFC 4647 section 3.4).
func shorten(tag string) string {
	end := max(strings.LastIndexByte(tag, '-'), 0)
	tag = tag[:end]
	if len(tag) >= 2 && tag[len(tag)-2] == '-' {
		tag = tag[:len(tag)-2]
	}
	return tag
}

// acceptLanguage returns the ranges of Accept-Language, the preferred one first (RFC 9110 section 12.5.4). What cannot
// be understood is left out.
func acceptLanguage(header []string) []string {
	text := strings.Join(header, ",")
	if len(text) > maxAccept {
		return nil
	}
	type weighted struct {
		tag    string
		weight float64
	}
	var all []weighted
	for item := range strings.SplitSeq(text, ",") {
		tag, params, _ := strings.Cut(item, ";")
		if weight := weightOf(params); weight > 0 && len(all) < maxRanges {
			all = append(all, weighted{strings.TrimSpace(tag), weight})
		}
	}
	slices.SortStableFunc(all, func(a, b weighted) int { return cmp.Compare(b.weight, a.weight) })
	ranges := make([]string, 0, len(all))
	for _, one := range all {
		ranges = append(ranges, one.tag)
	}
	return ranges
}

// weightOf reads "q=0.8" (RFC 9110 section 12.4.2). Nothing is 1, nonsense 0: not acceptable.
func weightOf(params string) float64 {
	params = strings.TrimSpace(params)
	if params == "" {
		return 1
	}
	name, value, _ := strings.Cut(params, "=")
	weight, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	if !strings.EqualFold(strings.TrimSpace(name), "q") || err != nil || !(weight >= 0 && weight <= 1) {
		return 0
	}
	return weight
}
