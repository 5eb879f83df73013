package device

import (
	"bytes"
	"strings"
	"testing"
	"testing/iotest"

	"signet/provider/oauth"
)

func TestParseUserCode(t *testing.T) {
	for typed, want := range map[string]string{
		"WDJB-MJHT": "WDJB-MJHT", "wdjbmjht": "WDJB-MJHT", " wdjb – mjht ": "WDJB-MJHT", "W.D.J.B M_J'H\tT": "WDJB-MJHT",
		"": "", "WDJB": "", "WDJB-MJHTT": "", "WDJB-MJHA": "", "WDJB-MJH0": "", "WDJB-MJHT1": "", "ＷＤＪＢ-ＭＪＨＴ": "",
		"WDJB-MJHſ": "", "WDJB-MJHT\xff": "", "WDJB-MJHT²": "", "WDJB" + strings.Repeat("-", 64) + "MJHT": "",
	} {
		code, ok := ParseUserCode(typed)
		if code.String() != want || ok != (want != "") {
			t.Errorf("%q: %q, %v; want %q", typed, code, ok, want)
		}
	}
}

// Whatever is typed, a code that is taken for one is the same when it is typed as it is shown.
func FuzzParseUserCode(f *testing.F) {
	for _, seed := range []string{"WDJB-MJHT", "wdjb mjht", "", "WDJB-MJHTT", "ſſſſſſſſ", "\xff", "😀WDJBMJHT"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		code, ok := ParseUserCode(typed)
		if !ok {
			if code != (UserCode{}) || code.String() != "" {
				t.Errorf("%q is none and is %q", typed, code)
			}
			return
		}
		again, ok := ParseUserCode(code.String())
		if !ok || again != code || len(code.String()) != userCodeLength+1 || strings.Trim(code.letters, alphabet) != "" {
			t.Errorf("%q: %q, then %q", typed, code, again)
		}
	})
}

// Each letter is as likely as any other: bytes that would favour some are passed over.
func TestNewUserCode(t *testing.T) {
	count := map[string]int{}
	for b := range 256 {
		code, err := newUserCode(bytes.NewReader(bytes.Repeat([]byte{byte(b)}, 10*userCodeLength)))
		if (err != nil) != (b >= 240) {
			t.Errorf("byte %d: %v", b, err)
		}
		count[code.letters]++
	}
	if count[""] != 16 || len(count) != 1+len(alphabet) {
		t.Errorf("%v", count)
	}
	for _, letter := range alphabet {
		if n := count[strings.Repeat(string(letter), userCodeLength)]; n != 12 {
			t.Errorf("%c comes from %d of the bytes", letter, n)
		}
	}
	zeros := append(bytes.Repeat([]byte{255}, 2*userCodeLength), make([]byte, 2*userCodeLength)...)
	if code, err := newUserCode(bytes.NewReader(zeros)); err != nil || code.String() != "BBBB-BBBB" {
		t.Errorf("%v, %v", code, err)
	}
	if _, err := newUserCode(iotest.ErrReader(errDisk)); err == nil {
		t.Error("a code without randomness")
	}
}

// A code is found by its letters, whatever the dash.
func TestDigestOfUserCode(t *testing.T) {
	shown, _ := ParseUserCode("WDJB-MJHT")
	typed, _ := ParseUserCode("wdjbmjht")
	if shown.digest() != typed.digest() || shown.digest() != oauth.Secret("WDJBMJHT").Digest() {
		t.Error("the digests differ")
	}
}
