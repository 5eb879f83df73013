package provider_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"signet/certs"
	"signet/provider/oauth"
)

// deviceHouse has a television and its user.
func deviceHouse(t *testing.T) *house {
	h := newHouseWith(t, "device: {enabled: true}\n", nil)
	h.user("alice")
	h.withGrants("tv", nil, oauth.GrantDevice)
	h.withGrants("other", nil, oauth.GrantDevice)
	h.register("plain", nil)
	return h
}

func polling(code string) []string {
	return []string{"grant_type", oauth.GrantDevice, "device_code", code}
}

// TestDeviceFlow shows a code, lets its user allow or deny it, and polls meanwhile (RFC 8628).
func TestDeviceFlow(t *testing.T) {
	h := deviceHouse(t)
	at, _ := h.metadata()["device_authorization_endpoint"].(string)
	begin := func() reply {
		t.Helper()
		r := h.post(h.http(nil), at, form("scope", "openid accounts offline_access"), basic("tv"))
		if r.Status != http.StatusOK || r.text("device_code") == "" || r.JSON["interval"] != 5.0 || r.JSON["expires_in"] != 600.0 {
			t.Fatalf("%d %s", r.Status, r.Body)
		}
		return r
	}
	asked := begin()
	h.denied("authorization_pending", polling(asked.text("device_code")), basic("tv"))
	h.denied("slow_down", polling(asked.text("device_code")), basic("tv"))
	h.denied("invalid_grant", polling(asked.text("device_code")), basic("other"))
	h.denied("invalid_grant", polling("guessed"), basic("tv"))
	h.denied("unauthorized_client", polling(asked.text("device_code")), basic("plain"))

	person := h.browser()
	answers := func(asked reply, decision string) {
		t.Helper()
		person.open(asked.text("verification_uri_complete"))
		if strings.Contains(person.page.Body, `id="login-form"`) {
			person.submit("login-form", "username", "alice", "password", password)
		}
		if !strings.Contains(person.page.Body, asked.text("user_code")) || !strings.Contains(person.page.Body, "Client tv") {
			t.Fatalf("the page does not show what is asked: %s", person.page.Body)
		}
		person.submit("device-form", "decision", decision)
		if !strings.Contains(person.page.Body, `id="device-done"`) {
			t.Errorf("%s: %s", decision, person.page.Body)
		}
	}
	answers(asked, "approve")
	h.advance(time.Minute)
	got := h.granted(polling(asked.text("device_code")), basic("tv"))
	if claims := claimsOf(t, got.text("id_token")); claims["sub"] != "sub-alice" || got.text("refresh_token") == "" || got.text("scope") != "openid accounts offline_access" {
		t.Errorf("%v %s", claims, got.Body)
	}
	h.denied("invalid_grant", polling(asked.text("device_code")), basic("tv"))

	denied := begin()
	answers(denied, "deny")
	h.denied("access_denied", polling(denied.text("device_code")), basic("tv"))

	late := begin()
	h.advance(11 * time.Minute)
	h.denied("expired_token", polling(late.text("device_code")), basic("tv"))
}

// TestDevicePicture: a device that shows pictures gets the address as one; guessing codes by it is guessing.
func TestDevicePicture(t *testing.T) {
	h := deviceHouse(t)
	asked := h.post(h.http(nil), h.issuer+"/device_authorization", form("scope", "accounts"), basic("tv"))
	picture := h.get(h.http(nil), asked.text("verification_uri_qr"))
	if picture.Status != http.StatusOK || picture.Header.Get("Content-Type") != "image/svg+xml" || !strings.Contains(picture.Body, "<svg") {
		t.Errorf("%d %v %.80s", picture.Status, picture.Header, picture.Body)
	}
	if r := h.get(h.http(nil), h.issuer+"/device/qr?user_code=AAAA-AAAA"); r.Status == http.StatusOK {
		t.Errorf("no code, yet a picture: %d", r.Status)
	}
}

// TestDeviceIsBound: who asked with a certificate polls with it.
func TestDeviceIsBound(t *testing.T) {
	h := deviceHouse(t)
	own, another := h.leaf(certs.Request{}), h.leaf(certs.Request{})
	asked := h.post(h.http(own), h.mtls+"/device_authorization", form("scope", "accounts"), basic("tv"))
	if r := h.atMTLS(own, polling(asked.text("device_code")), basic("tv")); r.text("error") != "authorization_pending" {
		t.Errorf("%d %s", r.Status, r.Body)
	}
	for name, r := range map[string]reply{
		"another certificate": h.atMTLS(another, polling(asked.text("device_code")), basic("tv")),
		"none":                h.ask(polling(asked.text("device_code")), basic("tv")),
	} {
		if r.text("error") != "invalid_grant" {
			t.Errorf("%s: %d %s", name, r.Status, r.Body)
		}
	}
}

// TestDeviceCodesAreNotGuessed types codes until nobody listens any more.
func TestDeviceCodesAreNotGuessed(t *testing.T) {
	h := deviceHouse(t)
	person := h.browser()
	person.open(h.issuer + "/device")
	person.submit("login-form", "username", "alice", "password", password)
	throttled := false
	for range 100 {
		r := h.get(person.client, h.issuer+"/device?user_code="+url.QueryEscape("BCDF-GHJK"))
		if throttled = r.Status == http.StatusTooManyRequests; throttled {
			break
		}
	}
	if !throttled {
		t.Error("a hundred guesses were judged")
	}
}
