package session

import (
	"net/http"
	"time"
)

// setCookie sends a cookie that no script can read, that no other host or path can set and that other
// sites' requests carry only when the user follows a link or a redirect (SameSite=Lax). maxAge 0 makes it
// end with the browser.
func setCookie(w http.ResponseWriter, name, value string, maxAge time.Duration) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: int(maxAge.Seconds()),
		Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// dropCookie makes the browser forget a cookie.
func dropCookie(w http.ResponseWriter, name string) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Path: "/", MaxAge: -1,
		Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}
