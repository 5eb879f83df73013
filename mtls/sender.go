package mtls

import (
	"net/http"
	"net/netip"
	"strings"
)

// Sender is the address that a request came from, for throttling and logs: behind a trusted proxy the last one
// of X-Forwarded-For, which the proxy itself wrote, if that is an IP address; otherwise the connection's, with its
// port. It is no proof of anything.
func (p *Proxies) Sender(r *http.Request) string {
	forwarded := r.Header["X-Forwarded-For"]
	if len(forwarded) == 0 || !p.trusts(r) {
		return r.RemoteAddr
	}
	last := forwarded[len(forwarded)-1]
	address, ok := parseSender(strings.Trim(last[strings.LastIndexByte(last, ',')+1:], " \t"))
	if !ok {
		return r.RemoteAddr
	}
	return address.String()
}

// parseSender reads an address in the forms that proxies write: with a port or without, IPv6 in brackets or not.
func parseSender(text string) (netip.Addr, bool) {
	address, err := netip.ParseAddr(text)
	if err != nil {
		var withPort netip.AddrPort
		if withPort, err = netip.ParseAddrPort(text); err == nil {
			address = withPort.Addr()
		} else if inner, ok := strings.CutPrefix(text, "["); ok {
			address, err = netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		}
	}
	return address.Unmap().WithZone(""), err == nil // a zone may have any bytes
}
