package mtls

import (
	"net/http"
	"strings"
)

// Sender is the address that a request came from, for throttling and logs: behind a trusted proxy the last one
// of X-Forwarded-For, which the proxy itself wrote; otherwise the connection's. It is no proof of anything.
func (p *Proxies) Sender(r *http.Request) string {
	forwarded := r.Header.Values("X-Forwarded-For")
	if len(forwarded) == 0 || !p.trusts(r) {
		return r.RemoteAddr
	}
	last := forwarded[len(forwarded)-1]
	return strings.TrimSpace(last[strings.LastIndexByte(last, ',')+1:])
}
