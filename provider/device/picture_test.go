package device

import (
	"encoding/xml"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"rsc.io/qr"
)

const drawn = page + "?user_code=WDJB-MJHT"

// modules reads the black modules back out of a picture: each as "x y", counted from the corner of the quiet zone.
func modules(t *testing.T, svg string) (side int, black map[string]bool) {
	t.Helper()
	box := regexp.MustCompile(`viewBox="0 0 (\d+) (\d+)"`).FindStringSubmatch(svg)
	if len(box) != 3 || box[1] != box[2] {
		t.Fatalf("no square: %s", svg[:min(len(svg), 200)])
	}
	number := func(text string) int {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	black = map[string]bool{}
	for _, run := range regexp.MustCompile(`M(\d+) (\d+)h(\d+)v1h-(\d+)z`).FindAllStringSubmatch(svg, -1) {
		if run[3] != run[4] {
			t.Errorf("%s does not close", run[0])
		}
		for x := range number(run[3]) {
			black[strconv.Itoa(number(run[1])+x)+" "+run[2]] = true
		}
	}
	return number(box[1]), black
}

// The picture has each module of the code where it belongs, and the margin without which no camera finds it.
func TestSVG(t *testing.T) {
	picture, err := Draw(drawn)
	if err != nil {
		t.Fatal(err)
	}
	svg := string(picture.SVG())
	if err := xml.Unmarshal([]byte(svg), new(struct{})); err != nil {
		t.Fatal(err)
	}
	code, err := qr.Encode(drawn, qr.M)
	if err != nil {
		t.Fatal(err)
	}
	side, black := modules(t, svg)
	if side != code.Size+8 || !strings.Contains(svg, `fill="#fff" d="M0 0h`+strconv.Itoa(side)) {
		t.Errorf("%d modules, the code has %d; %s", side, code.Size, svg[:200])
	}
	for y := range side {
		for x := range side {
			if got := black[strconv.Itoa(x)+" "+strconv.Itoa(y)]; got != code.Black(x-4, y-4) {
				t.Fatalf("%d %d: black is %v", x, y, got)
			}
		}
	}
	if _, err := Draw(strings.Repeat("x", 3000)); err == nil {
		t.Error("a text that fits into no code was drawn")
	}
}

// Each character stands for two modules, one over the other.
func TestTerminal(t *testing.T) {
	picture, err := Draw(drawn)
	if err != nil {
		t.Fatal(err)
	}
	code, err := qr.Encode(drawn, qr.M)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(picture.Terminal(), "\n"), "\n")
	for i, line := range lines {
		line = strings.TrimSuffix(strings.TrimPrefix(line, "\x1b[38;5;16;48;5;231m"), "\x1b[0m")
		for x, c := range []rune(line) {
			upper, lower := c == '█' || c == '▀', c == '█' || c == '▄'
			if upper != code.Black(x-2, 2*i-2) || lower != code.Black(x-2, 2*i-1) {
				t.Fatalf("line %d, column %d: %c", i, x, c)
			}
		}
		if n := len([]rune(line)); n != code.Size+4 {
			t.Errorf("line %d has %d characters", i, n)
		}
	}
	if 2*len(lines) < code.Size+4 {
		t.Errorf("%d lines for %d modules", len(lines), code.Size)
	}
}

func TestServePicture(t *testing.T) {
	r := newRig(t)
	r.store.failure = errDisk // it looks nothing up
	for target, want := range map[string]int{
		"/device/qr?user_code=WDJB-MJHT": 200, "/device/qr?user_code=wdjbmjht": 200, "/device/qr": 400, "/device/qr?user_code=%3Csvg%3E": 400,
		"/device/qr?user_code=WDJB-MJHT&user_code=WDJB-MJHT": 400,
	} {
		w := httptest.NewRecorder()
		r.ServePicture(w, httptest.NewRequest(http.MethodGet, target, nil))
		if w.Code != want {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
		if want != http.StatusOK {
			continue
		}
		whole, err := Draw(drawn)
		if err != nil {
			t.Fatal(err)
		}
		if w.Body.String() != string(whole.SVG()) || w.Header().Get("Content-Type") != "image/svg+xml" ||
			!strings.Contains(w.Header().Get("Content-Security-Policy"), "default-src 'none'") || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v", target, w.Header())
		}
	}
	w := httptest.NewRecorder()
	if r.ServePicture(w, httptest.NewRequest(http.MethodPost, "/device/qr?user_code=WDJB-MJHT", nil)); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", w.Code)
	}
}
