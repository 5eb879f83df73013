package oauth

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// TestSecretsDoNotPrint tries every way that text usually gets into logs, errors and pages.
func TestSecretsDoNotPrint(t *testing.T) {
	const text = "s3cr3t-value"
	type holder struct {
		Secret Secret
		Params Params
	}
	h := holder{Secret(text), NewParams(map[string][]string{"code": {text}})}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		_, _ = fmt.Fprintf(&out, verb+"\n", h.Secret)
		_, _ = fmt.Fprintf(&out, verb+"\n", &h.Secret)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		_, _ = fmt.Fprintf(&out, verb+"\n", h)
		_, _ = fmt.Fprintf(&out, verb+"\n", h.Params)
	}
	for _, v := range []any{h.Secret, h, h.Params, map[string]Secret{"a": h.Secret}, []Secret{h.Secret}} {
		encoded, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(encoded)
	}
	for _, handler := range []slog.Handler{slog.NewJSONHandler(&out, nil), slog.NewTextHandler(&out, nil)} {
		slog.New(handler).Info("x", "secret", h.Secret, "params", h.Params, "holder", h)
	}
	_, _ = fmt.Fprint(&out, fmt.Errorf("wrapped: %v %w", h.Secret, Errorf(InvalidGrant, "%s", h.Secret)))
	if at := strings.Index(out.String(), text); at >= 0 {
		t.Errorf("a secret was printed: %.80q", out.String()[max(0, at-40):])
	}
	if strings.Contains(out.String(), fmt.Sprintf("%x", text)) {
		t.Error("a secret was printed in hex")
	}
	if h.Secret.Reveal() != text || h.Params.Get("code") != text {
		t.Error("the secret itself is lost")
	}
}
