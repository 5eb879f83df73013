package conformance

import (
	"bytes"
	"image/color"
	"image/png"
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestShootHTML: the picture of a page that a browser got is of that page, with its style sheet, and not of what is at
// the address now.
func TestShootHTML(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/style.css" {
			t.Errorf("the picture asks for %s", r.URL)
		}
		w.Header().Set("Content-Type", "text/css")
		_, _ = w.Write([]byte("body { background: #00ff00 }"))
	}))
	defer server.Close()
	camera := &Chromium{}
	defer camera.Close()
	raw, err := camera.Shoot(t.Context(), Page{URL: server.URL + "/login?x=y", HTML: `<!doctype html><html><head>
<link rel="stylesheet" href="/style.css"></head><body><main>Sign in</main><script>location.href = "/elsewhere"</script></body></html>`})
	if err != nil {
		t.Fatal(err)
	}
	picture, err := png.Decode(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := color.NRGBAModel.Convert(picture.At(600, 600)), (color.NRGBA{G: 255, A: 255}); got != want {
		t.Errorf("the page is %v, want %v: it lacks its style sheet", got, want)
	}
}
