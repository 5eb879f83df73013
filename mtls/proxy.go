package mtls

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// The header fields of RFC 9440.
const (
	HeaderClientCert      = "Client-Cert"
	HeaderClientCertChain = "Client-Cert-Chain"
)

// ErrHeader marks a proxy's header that does not parse.
var ErrHeader = errors.New("malformed client certificate header")

const (
	maxHeader = 64 << 10 // bytes of one field value
	maxCert   = 16 << 10 // bytes of one certificate's DER
)

// ProxiesConfig says which senders' Client-Cert headers are believed. A sender must satisfy each list that is not
// empty; with both empty no header is believed.
type ProxiesConfig struct {
	Addresses   []string    // IP addresses or CIDR ranges of the peer of the TCP connection; never a Relayed one's
	Thumbprints []string    // x5t#S256 of the certificate that the proxy itself presents to the TLS listener
	Format      ProxyFormat // of its header; "" = FormatRFC9440
}

// Proxies tells trusted TLS-terminating proxies from everyone else. The nil value trusts none. It is immutable.
type Proxies struct {
	networks    []netip.Prefix
	thumbprints []string
	read        func(http.Header) (*Peer, error)
}

// NewProxies parses the lists. A range of every address is refused: it would let any client forge a certificate.
func NewProxies(config ProxiesConfig) (*Proxies, error) {
	p := &Proxies{}
	var faults []error
	for _, text := range config.Addresses {
		network, err := ParseNetwork(text)
		if err != nil {
			faults = append(faults, fmt.Errorf("trusted proxy %w", err))
			continue
		}
		p.networks = append(p.networks, network)
	}
	for _, text := range config.Thumbprints {
		sum, err := base64.RawURLEncoding.Strict().DecodeString(text)
		if err != nil || len(sum) != sha256.Size {
			faults = append(faults, fmt.Errorf("trusted proxy %q is not an x5t#S256 thumbprint (43 base64url characters)", text))
			continue
		}
		p.thumbprints = append(p.thumbprints, text)
	}
	format := cmp.Or(config.Format, FormatRFC9440)
	if p.read = peerReaders[format]; p.read == nil {
		faults = append(faults, fmt.Errorf("the format %q is none of %v", format, ProxyFormats()))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return p, nil
}

// ParseNetwork reads an IP address or a CIDR range of proxies. A range of every address is refused.
func ParseNetwork(text string) (netip.Prefix, error) {
	if address, err := netip.ParseAddr(text); err == nil {
		if address.Zone() != "" {
			return netip.Prefix{}, fmt.Errorf("%q: an address without zone is needed", text)
		}
		address = address.Unmap()
		return netip.PrefixFrom(address, address.BitLen()), nil
	}
	network, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return netip.Prefix{}, fmt.Errorf("%q is neither an IP address nor a CIDR range", text)
	case network.Addr().Is4In6():
		return netip.Prefix{}, fmt.Errorf("%q: write the range as IPv4", text)
	case network.Bits() == 0:
		return netip.Prefix{}, fmt.Errorf("%q would trust every address", text)
	}
	return network.Masked(), nil
}

// Peer is the client's certificate of one request, unjudged; the client has proved that it holds the key.
type Peer struct {
	Leaf     *x509.Certificate
	Chain    []*x509.Certificate // what the client sent after the leaf; may hold anything
	ViaProxy bool                // told by a trusted proxy's header
}

// Peer finds the client's certificate: nil, nil when none was presented. From a trusted proxy only its headers count,
// whose absence means that the client had none; the proxy's own certificate is never the client's. From anyone else
// only the TLS connection counts. The error is ErrHeader, and only a trusted proxy can cause it.
func (p *Proxies) Peer(r *http.Request) (*Peer, error) {
	if p.trusts(r) {
		return p.read(r.Header)
	}
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return nil, nil
	}
	return &Peer{Leaf: r.TLS.PeerCertificates[0], Chain: r.TLS.PeerCertificates[1:]}, nil
}

// Strip removes every header in which proxies pass client certificates on, under whatever name, unless the request
// comes from a trusted proxy. Nothing here would believe them; this keeps handlers and upstreams from doing so.
func (p *Proxies) Strip(r *http.Request) {
	if p.trusts(r) {
		return
	}
	for name := range r.Header {
		if isCertHeader(name) {
			delete(r.Header, name)
		}
	}
}

// isCertHeader knows Client-Cert, X-Client-Cert, X-Forwarded-Client-Cert, X-SSL-Cert, SSL_CLIENT_CERT,
// X-Forwarded-Tls-Client-Cert-Info, X-ARR-ClientCert, X-Amzn-Mtls-Clientcert-Leaf and their like.
func isCertHeader(name string) bool {
	var buffer [64]byte
	squashed := buffer[:0] // lower case, without "-" and "_"; asked for each header of each request, so no allocation
	for i := range len(name) {
		switch c := name[i]; {
		case c == '-' || c == '_':
		case 'A' <= c && c <= 'Z':
			squashed = append(squashed, c+'a'-'A')
		default:
			squashed = append(squashed, c)
		}
	}
	for _, part := range certHeaderParts {
		if bytes.Contains(squashed, part) {
			return true
		}
	}
	return false
}

var certHeaderParts = [][]byte{[]byte("clientcert"), []byte("sslcert"), []byte("sslclient"), []byte("tlsclient"), []byte("mtlscert")}

// trusts says whether the request's sender is a configured proxy.
func (p *Proxies) trusts(r *http.Request) bool {
	if p == nil || len(p.networks) == 0 && len(p.thumbprints) == 0 {
		return false
	}
	return (len(p.networks) == 0 || p.fromNetwork(r)) && (len(p.thumbprints) == 0 || p.withCertificate(r))
}

type relayedKey struct{}

// Relayed is the context of a connection that a TCP proxy passes on and whose addresses that proxy tells (the PROXY
// protocol); for [http.Server.ConnContext]. What comes over it is the client's own, whichever of the two addresses one
// looks at, so no address makes its sender a trusted proxy. A thumbprint still does: TLS goes through to the sender.
func Relayed(ctx context.Context) context.Context { return context.WithValue(ctx, relayedKey{}, true) }

func (p *Proxies) fromNetwork(r *http.Request) bool {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || r.Context().Value(relayedKey{}) != nil {
		return false
	}
	address := peer.Addr().Unmap().WithZone("")
	return slices.ContainsFunc(p.networks, func(network netip.Prefix) bool { return network.Contains(address) })
}

func (p *Proxies) withCertificate(r *http.Request) bool {
	return r.TLS != nil && len(r.TLS.PeerCertificates) > 0 &&
		slices.Contains(p.thumbprints, Thumbprint(r.TLS.PeerCertificates[0]))
}

// headerPeer reads both fields (RFC 9440 sections 2.2 and 2.3).
func headerPeer(header http.Header) (*Peer, error) {
	leaves, chains := header.Values(HeaderClientCert), header.Values(HeaderClientCertChain)
	switch {
	case len(leaves) == 0 && len(chains) == 0:
		return nil, nil
	case len(leaves) == 0:
		return nil, fmt.Errorf("%w: %s without %s", ErrHeader, HeaderClientCertChain, HeaderClientCert)
	case len(leaves) > 1:
		return nil, fmt.Errorf("%w: %s occurs %d times", ErrHeader, HeaderClientCert, len(leaves))
	}
	leaf, err := ParseClientCert(leaves[0])
	if err != nil {
		return nil, err
	}
	chain, err := ParseClientCertChain(chains...)
	if err != nil {
		return nil, err
	}
	return &Peer{Leaf: leaf, Chain: chain, ViaProxy: true}, nil
}

// ParseClientCert reads the value of Client-Cert: one structured-field byte sequence, ":base64:", that holds one
// certificate's DER (RFC 9440 section 2.2, RFC 8941 section 3.3.5). Parameters, which the field does not define, are
// refused. The error is ErrHeader and does not repeat the value.
func ParseClientCert(header string) (*x509.Certificate, error) {
	if len(header) > maxHeader {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrHeader, maxHeader)
	}
	return parseByteSequence(strings.Trim(header, " "))
}

// ParseClientCertChain reads the values of Client-Cert-Chain, a list of byte sequences over one field line or several
// (RFC 9440 section 2.3). At most eight certificates are taken.
func ParseClientCertChain(headers ...string) ([]*x509.Certificate, error) {
	joined := strings.Join(headers, ",")
	if len(joined) > maxHeader {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrHeader, maxHeader)
	}
	if strings.Trim(joined, " ") == "" {
		return nil, nil // an empty list has no member
	}
	var chain []*x509.Certificate
	for member := range strings.SplitSeq(joined, ",") {
		if len(chain) == maxIntermediates {
			return nil, fmt.Errorf("%w: more than %d certificates in the chain", ErrHeader, maxIntermediates)
		}
		cert, err := parseByteSequence(strings.Trim(member, " \t"))
		if err != nil {
			return nil, err
		}
		chain = append(chain, cert)
	}
	return chain, nil
}

func parseByteSequence(item string) (*x509.Certificate, error) {
	if len(item) < 2 || item[0] != ':' || item[len(item)-1] != ':' {
		return nil, fmt.Errorf("%w: not a byte sequence (:base64:)", ErrHeader)
	}
	text := item[1 : len(item)-1]
	encoding := base64.StdEncoding
	if !strings.HasSuffix(text, "=") {
		encoding = base64.RawStdEncoding // padding may be absent (RFC 8941 section 4.2.7)
	}
	if strings.ContainsAny(text, "\r\n") { // which the decoder would step over
		return nil, fmt.Errorf("%w: not base64", ErrHeader)
	}
	if encoding.DecodedLen(len(text)) > maxCert+2 {
		return nil, fmt.Errorf("%w: a certificate of more than %d bytes", ErrHeader, maxCert)
	}
	der, err := encoding.Strict().DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("%w: not base64", ErrHeader)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("%w: not a certificate: %w", ErrHeader, err)
	}
	return cert, nil
}
