package interaction

import (
	"crypto/sha256"
	_ "embed" // the default mark and the style sheet
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"

	"signet/provider/oauth"
)

// Brand is whose pages these are. All fields are optional.
type Brand struct {
	Name string // default "Signet"
	// Logo is an SVG or PNG picture of LogoType, at best wide and no taller than a line; it is shown on dark
	// blue, instead of the default mark and the name.
	Logo     []byte
	LogoType string // image/svg+xml or image/png
	// Links stand at the foot of each page: help, privacy, imprint. URLs are https or absolute paths.
	Links []Link
}

// Link is a text that leads somewhere.
type Link struct{ Text, URL string }

func (b Brand) validate() error {
	if len(b.Logo) > 0 && b.LogoType != "image/svg+xml" && b.LogoType != "image/png" {
		return errors.New("interaction: Brand.LogoType must be image/svg+xml or image/png")
	}
	for _, link := range b.Links {
		u, err := url.Parse(link.URL)
		if err != nil || link.Text == "" || u.Scheme != "https" && (u.Scheme != "" || u.Host != "" || u.Path == "" || u.Path[0] != '/') {
			return errors.New("interaction: Brand.Links need a text and an https URL or an absolute path")
		}
	}
	return nil
}

func (b Brand) withDefaults() Brand {
	if b.Name == "" {
		b.Name = "Signet"
	}
	return b
}

//go:embed assets/signet.css
var styleSheet []byte

//go:embed assets/mark.svg
var mark []byte

// asset is a static file. Its path has a digest of its content, so it may be cached for ever.
type asset struct {
	content []byte
	kind    string
}

type assets struct {
	style, icon, logo string // paths; logo is "" without one
	files             map[string]asset
}

func makeAssets(prefix string, brand Brand) assets {
	a := assets{files: map[string]asset{}}
	add := func(content []byte, kind, ending string) string {
		digest := sha256.Sum256(content)
		path := prefix + pathAssets + hex.EncodeToString(digest[:8]) + ending
		a.files[path] = asset{content, kind}
		return path
	}
	a.style = add(styleSheet, "text/css; charset=utf-8", ".css")
	a.icon = add(mark, "image/svg+xml", ".svg")
	switch {
	case len(brand.Logo) == 0:
	case brand.LogoType == "image/png":
		a.logo = add(brand.Logo, brand.LogoType, ".png")
	default:
		a.logo = add(brand.Logo, brand.LogoType, ".svg")
	}
	return a
}

func (p *Pages) asset(w http.ResponseWriter, r *http.Request) {
	if !p.admit(w, r, http.MethodGet, http.MethodHead) {
		return
	}
	found, ok := p.assets.files[r.URL.Path]
	if !ok {
		p.WriteError(w, r, oauth.Errorf(oauth.NotFound, "there is no such file"))
		return
	}
	h := w.Header()
	h.Set("Content-Type", found.kind)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	// An SVG opened by itself must not run anything either.
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox")
	h.Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(found.content) // the client is gone: nobody is left to tell
}
