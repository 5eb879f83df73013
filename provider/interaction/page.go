package interaction

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"strings"

	"signet/provider/web"
)

//go:embed templates/*.html
var templates embed.FS

// The pages, by the name in body[data-page].
const (
	pageLogin     = "login"
	pageConsent   = "consent"
	pageError     = "error"
	pageForward   = "forward"
	pageApprovals = "approvals"
	pageDevice    = "device"
	pageLogout    = "logout"
	pageLoggedOut = "logged-out"
	pageStayed    = "stayed"
)

var allPages = []string{
	pageLogin, pageConsent, pageError, pageForward, pageApprovals, pageDevice, pageLogout, pageLoggedOut, pageStayed,
}

// views are the parsed templates by page: each within the layout, in one language.
type views map[string]*template.Template

// parseViews parses the pages for each of the languages.
func parseViews(all *languages) (map[*language]views, error) {
	parsed := map[*language]views{}
	for _, one := range all.byTag {
		parsed[one] = views{}
	}
	for _, name := range allPages {
		page, err := template.New(name).Funcs(all.english.functions()).
			ParseFS(templates, "templates/layout.html", "templates/"+name+".html")
		if err != nil {
			return nil, fmt.Errorf("page %s: %w", name, err)
		}
		for _, one := range all.byTag {
			spoken, err := page.Clone()
			if err != nil {
				return nil, fmt.Errorf("page %s: %w", name, err)
			}
			parsed[one][name] = spoken.Funcs(one.functions())
		}
	}
	return parsed, nil
}

// page is what the layout shows around a Body.
type page struct {
	Name      string
	Language  string // BCP 47
	Direction string // rtl or ""
	Display   string // popup, touch, wap or ""
	Title     string
	Failed    bool // the title says so first, for who listens to it
	Brand     Brand
	Address   string // what the address bar must begin with
	Style     string
	Icon      string
	Logo      string
	Script    template.JS // runs at the end of the page, if there is any
	Body      any

	policy policy
}

// render writes a page as a whole or, when its template fails, a bare server error.
func (p *Pages) render(w http.ResponseWriter, r *http.Request, status int, name string, content page) {
	m := p.manner(r)
	content.Name, content.Brand, content.Address = name, p.deps.Brand, p.address()
	content.Language, content.Direction, content.Display = m.language.tag, m.language.direction, m.display
	content.Style, content.Icon, content.Logo = p.assets.style, p.assets.icon, p.assets.logo
	content.policy.script = string(content.Script)
	var body bytes.Buffer
	if err := p.view[m.language][name].ExecuteTemplate(&body, "layout.html", content); err != nil {
		p.deps.Log.ErrorContext(r.Context(), "page failed", "page", name, "language", m.language.tag, "err", err)
		http.Error(w, "The page could not be made.", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	web.NoStore(h)
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", m.language.tag)
	h.Set("Content-Security-Policy", content.policy.String())
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Opener-Policy", "same-origin-allow-popups")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // the client is gone: nobody is left to tell
}

// address is what the address bar must begin with.
func (p *Pages) address() string { return "https://" + p.host }

// script makes one of our own scripts part of a page. A file's last line break is not part of it.
func script(source []byte) template.JS {
	return template.JS(strings.TrimSpace(string(source))) // #nosec G203 -- an embedded file: no input is part of it
}
