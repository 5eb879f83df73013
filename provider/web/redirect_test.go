package web

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSeeOther(t *testing.T) {
	answer := httptest.NewRecorder()
	SeeOther(answer, "com.example.app:/cb?code=x")
	want := http.Header{
		"Location": {"com.example.app:/cb?code=x"}, "Cache-Control": {"no-store"}, "Pragma": {"no-cache"}, "Referrer-Policy": {"no-referrer"},
	}
	if diff := cmp.Diff(want, answer.Result().Header); diff != "" || answer.Code != http.StatusSeeOther || answer.Body.Len() != 0 {
		t.Errorf("status %d, body %q: %s", answer.Code, answer.Body, diff)
	}
}
