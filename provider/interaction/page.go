package interaction

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"signet/provider/web"
)

//go:embed templates/*.html
var templates embed.FS

// The pages, by the name in body[data-page].
const (
	pageLogin   = "login"
	pageConsent = "consent"
	pageError   = "error"
	pageForward = "forward"

	pageApprovals = "approvals"
)

// views are the parsed templates: each page within the layout.
type views map[string]*template.Template

func parseViews() (views, error) {
	parsed := views{}
	for _, name := range []string{pageLogin, pageConsent, pageError, pageForward, pageApprovals} {
		t, err := template.ParseFS(templates, "templates/layout.html", "templates/"+name+".html")
		if err != nil {
			return nil, fmt.Errorf("page %s: %w", name, err)
		}
		parsed[name] = t
	}
	return parsed, nil
}

// page is what the layout shows around a Body.
type page struct {
	Name    string
	Title   string
	Failed  bool // the title says so first, for who listens to it
	Brand   Brand
	Host    string // of the issuer
	Style   string
	Icon    string
	Logo    string
	Body    any
	Returns string // the redirect URI that a form of this page leads to in the end; not shown
}

// render writes a page as a whole or, when its template fails, a bare server error.
func (p *Pages) render(w http.ResponseWriter, status int, name string, content page) {
	content.Name, content.Brand, content.Host = name, p.deps.Brand, p.host
	content.Style, content.Icon, content.Logo = p.assets.style, p.assets.icon, p.assets.logo
	var body bytes.Buffer
	if err := p.view[name].ExecuteTemplate(&body, "layout.html", content); err != nil {
		p.deps.Log.Error("page failed", "page", name, "err", err)
		http.Error(w, "The page could not be made.", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	web.NoStore(h)
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", contentPolicy(content.Returns))
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Opener-Policy", "same-origin-allow-popups")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // the client is gone: nobody is left to tell
}

// contentPolicy allows our own style sheet and pictures, and no script whatever. Browsers hold form-action
// against every redirect that follows a form, also at the client's site, which may redirect on: so the
// scheme is all that can be fixed.
func contentPolicy(returns string) string {
	actions := []string{"'self'"}
	if u, err := url.Parse(returns); err == nil && u.Scheme != "" {
		actions = append(actions, "https:")
		if own := u.Scheme + ":"; !slices.Contains(actions, own) {
			actions = append(actions, own)
		}
	}
	return "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action " +
		strings.Join(actions, " ")
}
