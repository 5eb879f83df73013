package device

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"rsc.io/qr"

	"signet/provider/oauth"
	"signet/provider/web"
)

const (
	// pathPicture is where the picture of a user code is, below the verification URI.
	pathPicture = "/qr"
	// quiet is the white margin around a QR code, in modules (ISO/IEC 18004 section 6.3.8).
	quiet = 4
	// moduleSize is how large a module is unless whoever shows the picture says otherwise, in CSS pixels.
	moduleSize = 8
)

// Picture is a text as a QR code.
type Picture struct{ code *qr.Code }

// Draw makes a picture of a text, of which some 15 % may be unreadable. It fails for a text of more than two thousand
// bytes.
func Draw(text string) (Picture, error) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return Picture{}, fmt.Errorf("drawing a QR code: %w", err)
	}
	return Picture{code}, nil
}

// SVG returns the picture as an image/svg+xml document: black on white, whatever is around it.
func (p Picture) SVG() []byte {
	var b bytes.Buffer
	side := p.code.Size + 2*quiet
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" shape-rendering="crispEdges">`,
		moduleSize*side, moduleSize*side, side, side)
	fmt.Fprintf(&b, `<path fill="#fff" d="M0 0h%dv%dH0z"/><path d="`, side, side)
	for y := range p.code.Size {
		for x := 0; x < p.code.Size; x++ {
			begin := x
			for p.code.Black(x, y) {
				x++
			}
			if x > begin {
				fmt.Fprintf(&b, "M%d %dh%dv1h-%dz", begin+quiet, y+quiet, x-begin, x-begin)
			}
		}
	}
	b.WriteString(`"/></svg>`)
	return b.Bytes()
}

// Terminal returns the picture in lines of characters, each for two rows of modules, with the colours that every
// terminal has for black and white: it looks the same on a light ground and on a dark one.
func (p Picture) Terminal() string {
	const blackOnWhite, plain = "\x1b[38;5;16;48;5;231m", "\x1b[0m"
	var b strings.Builder
	for y := -quiet / 2; y < p.code.Size+quiet/2; y += 2 {
		b.WriteString(blackOnWhite)
		for x := -quiet / 2; x < p.code.Size+quiet/2; x++ {
			switch upper, lower := p.code.Black(x, y), p.code.Black(x, y+1); {
			case upper && lower:
				b.WriteRune('█')
			case upper:
				b.WriteRune('▀')
			case lower:
				b.WriteRune('▄')
			default:
				b.WriteByte(' ')
			}
		}
		b.WriteString(plain + "\n")
	}
	return b.String()
}

// ServePicture answers GET with the verification_uri_complete of the user code in the query, as a picture: for devices
// that show pictures and do not make them. It looks nothing up: whoever has a code can draw it, and a code that nobody
// has asked for looks like any other, so that there is nothing to guess.
func (s *Service) ServePicture(w http.ResponseWriter, r *http.Request) {
	picture, err := s.picture(r)
	if err != nil {
		web.WriteError(w, r, s.deps.Log, err)
		return
	}
	h := w.Header()
	web.NoStore(h)
	h.Set("Content-Type", "image/svg+xml")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin") // a device's own page shows it
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(picture.SVG()) // the client is gone: nobody is left to tell
}

func (s *Service) picture(r *http.Request) (Picture, error) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return Picture{}, web.MethodNotAllowed(http.MethodGet, http.MethodHead)
	}
	query, fault := web.ParseQuery(r)
	if fault != nil {
		return Picture{}, fault
	}
	code, ok := ParseUserCode(query.Get("user_code"))
	if !ok {
		return Picture{}, oauth.Errorf(oauth.InvalidRequest, "user_code is missing, or is none")
	}
	return Draw(s.deps.VerificationURI + "?" + url.Values{"user_code": {code.String()}}.Encode())
}
