package web

import (
	"net"
	"net/netip"
)

// Subscriber is whom an address, with or without a port, stands for; of IPv6 the network of one subscriber
// (RFC 6177 section 2).
func Subscriber(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	addr = addr.Unmap().WithZone("")
	if network, err := addr.Prefix(64); addr.Is6() && err == nil {
		return network.String()
	}
	return addr.String()
}
