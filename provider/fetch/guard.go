package fetch

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"
)

// guard decides whom the transport may connect to.
type guard struct {
	exempt  map[string]bool // "host" or "host:port", lower case
	guarded net.Dialer
	free    net.Dialer
}

func newGuard(allowed []string) *guard {
	g := &guard{exempt: make(map[string]bool, len(allowed))}
	for _, host := range allowed {
		g.exempt[normal(host)] = true
	}
	g.free = net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}
	g.guarded = g.free
	g.guarded.Control = control
	return g
}

func normal(host string) string {
	host = strings.ToLower(host)
	if !strings.Contains(host, "]") && strings.Count(host, ":") > 1 {
		return host // a bare IPv6 address
	}
	if h, p, err := net.SplitHostPort(host); err == nil {
		return net.JoinHostPort(strings.TrimSuffix(h, "."), p)
	}
	return strings.TrimSuffix(strings.Trim(host, "[]"), ".")
}

// dial connects to "host:port" from the URL, before the name has been resolved.
func (g *guard) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port := hostPort(address)
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if g.exempt[host] || g.exempt[net.JoinHostPort(host, port)] {
		return g.free.DialContext(ctx, network, address)
	}
	return g.guarded.DialContext(ctx, network, address)
}

// control runs after resolving, for each address right before it is connected to.
func control(_, address string, _ syscall.RawConn) error {
	target, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: not an IP address", ErrRefused)
	}
	if !public(target.Addr()) {
		return fmt.Errorf("%w: not a public address", ErrRefused)
	}
	return nil
}

// special are the ranges that are not globally reachable although Go counts them as global unicast (IANA's
// special-purpose address registries, RFC 6890), and those that embed an IPv4 address which would then be
// the one reached.
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),       // RFC 791: this network
	netip.MustParsePrefix("100.64.0.0/10"),   // RFC 6598: carrier-grade NAT
	netip.MustParsePrefix("192.0.0.0/24"),    // RFC 6890: protocol assignments
	netip.MustParsePrefix("192.0.2.0/24"),    // RFC 5737: documentation
	netip.MustParsePrefix("192.88.99.0/24"),  // RFC 7526: 6to4 relay
	netip.MustParsePrefix("198.18.0.0/15"),   // RFC 2544: benchmarking
	netip.MustParsePrefix("198.51.100.0/24"), // RFC 5737: documentation
	netip.MustParsePrefix("203.0.113.0/24"),  // RFC 5737: documentation
	netip.MustParsePrefix("240.0.0.0/4"),     // RFC 1112: reserved, and broadcast
	netip.MustParsePrefix("2001::/23"),       // RFC 2928: protocol assignments, Teredo
	netip.MustParsePrefix("2001:db8::/32"),   // RFC 3849: documentation
	netip.MustParsePrefix("2002::/16"),       // RFC 3056: 6to4, embeds IPv4
	netip.MustParsePrefix("3fff::/20"),       // RFC 9637: documentation
}

// globalIPv6 is all of IPv6 that has been allocated for global unicast (RFC 4291 section 2.4). NAT64
// (64:ff9b::/96), unique local, link-local and IPv4-compatible addresses are outside.
var globalIPv6 = netip.MustParsePrefix("2000::/3")

// public says whether an address is one that anybody on the Internet could reach.
func public(address netip.Addr) bool {
	address = address.Unmap().WithZone("")
	if !address.IsGlobalUnicast() || address.IsPrivate() {
		return false
	}
	if address.Is6() && !globalIPv6.Contains(address) {
		return false
	}
	for _, prefix := range special {
		if prefix.Contains(address) {
			return false
		}
	}
	return true
}
