package mtls

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// ProxyFormat is how a trusted proxy tells its client's certificate. Only that format's header counts: a proxy replaces
// its own header and lets others pass, in which a client could write what it likes.
type ProxyFormat string

// The formats.
const (
	// FormatRFC9440 is Client-Cert and Client-Cert-Chain.
	FormatRFC9440 ProxyFormat = "rfc9440"
	// FormatEnvoy is X-Forwarded-Client-Cert with Cert and perhaps Chain, both percent-encoded PEM, as Envoy writes it with
	// forward_client_cert_details SANITIZE_SET. More than one element is refused: the others are somebody else's word.
	FormatEnvoy ProxyFormat = "envoy"
	// FormatTraefik is X-Forwarded-Tls-Client-Cert: the leaf and its chain in base64 with commas between them, as
	// Traefik's middleware PassTLSClientCert writes it with pem.
	FormatTraefik ProxyFormat = "traefik"
	// FormatNginx is X-SSL-Client-Cert with nginx's $ssl_client_escaped_cert: percent-encoded PEM. nginx tells no chain.
	FormatNginx ProxyFormat = "nginx"
)

// The headers of the other formats. nginx has no name of its own for it: this one is ours.
const (
	HeaderEnvoy   = "X-Forwarded-Client-Cert"
	HeaderTraefik = "X-Forwarded-Tls-Client-Cert"
	HeaderNginx   = "X-Ssl-Client-Cert"
)

// peerReaders read the certificate from a trusted proxy's header; nil, nil where there is none.
var peerReaders = map[ProxyFormat]func(http.Header) (*Peer, error){
	FormatRFC9440: headerPeer,
	FormatEnvoy:   single(HeaderEnvoy, parseEnvoy),
	FormatTraefik: single(HeaderTraefik, parseTraefik),
	FormatNginx:   single(HeaderNginx, parseEscapedPEM),
}

// ProxyFormats are all of them.
func ProxyFormats() []ProxyFormat {
	return []ProxyFormat{FormatRFC9440, FormatEnvoy, FormatTraefik, FormatNginx}
}

// single reads a header that comes once, or not at all, with the certificates that it tells, the leaf first. An empty one
// is none: nginx and Traefik send it for a client without a certificate.
func single(name string, parse func(string) ([]*x509.Certificate, error)) func(http.Header) (*Peer, error) {
	return func(header http.Header) (*Peer, error) {
		values := header.Values(name)
		switch {
		case len(values) == 0 || len(values) == 1 && values[0] == "":
			return nil, nil
		case len(values) > 1:
			return nil, fmt.Errorf("%w: %s occurs %d times", ErrHeader, name, len(values))
		case len(values[0]) > maxHeader:
			return nil, fmt.Errorf("%w: longer than %d bytes", ErrHeader, maxHeader)
		}
		all, err := parse(values[0])
		if err != nil {
			return nil, err
		}
		if len(all) == 0 {
			return nil, fmt.Errorf("%w: %s has no certificate", ErrHeader, name)
		}
		if len(all) > maxIntermediates+1 {
			return nil, fmt.Errorf("%w: more than %d certificates", ErrHeader, maxIntermediates+1)
		}
		return &Peer{Leaf: all[0], Chain: all[1:], ViaProxy: true}, nil
	}
}

// parseEnvoy reads one element of X-Forwarded-Client-Cert: pairs Key=Value with semicolons between them, the value in
// quotes where it has one of ,;= in it. Chain has the leaf first; where both are there they must agree.
func parseEnvoy(value string) ([]*x509.Certificate, error) {
	pairs, err := envoyPairs(value)
	if err != nil {
		return nil, err
	}
	var leaf, chain []*x509.Certificate
	if text, ok := pairs["cert"]; ok {
		if leaf, err = parseEscapedPEM(text); err != nil {
			return nil, err
		}
	}
	if text, ok := pairs["chain"]; ok {
		if chain, err = parseEscapedPEM(text); err != nil {
			return nil, err
		}
	}
	switch {
	case len(leaf) > 1:
		return nil, fmt.Errorf("%w: Cert has several certificates", ErrHeader)
	case len(chain) == 0:
		return leaf, nil
	case len(leaf) == 1 && !leaf[0].Equal(chain[0]):
		return nil, fmt.Errorf("%w: Chain does not begin with Cert", ErrHeader)
	default:
		return chain, nil
	}
}

// envoyPairs splits the one element. Envoy escapes a quote within quotes by a backslash.
func envoyPairs(value string) (map[string]string, error) {
	malformed := fmt.Errorf("%w: not one element of key=value pairs", ErrHeader)
	pairs := make(map[string]string)
	for value != "" {
		key, rest, found := strings.Cut(value, "=")
		if key = strings.ToLower(strings.TrimSpace(key)); !found || key == "" || strings.ContainsAny(key, `",;`) {
			return nil, malformed
		}
		var text string
		if strings.HasPrefix(rest, `"`) {
			end := closingQuote(rest)
			if end < 0 {
				return nil, malformed
			}
			text, rest = strings.ReplaceAll(rest[1:end], `\"`, `"`), rest[end+1:]
		} else {
			end := strings.IndexAny(rest, ";,")
			if end < 0 {
				end = len(rest)
			}
			text, rest = rest[:end], rest[end:]
		}
		if rest != "" && rest[0] != ';' { // a comma begins another proxy's element
			return nil, malformed
		}
		if _, twice := pairs[key]; twice && (key == "cert" || key == "chain") {
			return nil, malformed
		}
		pairs[key], value = text, strings.TrimPrefix(rest, ";")
	}
	return pairs, nil
}

// closingQuote is where the text in quotes ends that begins at 0; negative where it does not.
func closingQuote(text string) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}

// parseTraefik reads base64 of DER, one certificate or several with commas between them. Some versions percent-encode it.
func parseTraefik(value string) ([]*x509.Certificate, error) {
	text, err := unescaped(value)
	if err != nil {
		return nil, err
	}
	var all []*x509.Certificate
	for part := range strings.SplitSeq(text, ",") {
		if len(all) > maxIntermediates {
			return nil, fmt.Errorf("%w: more than %d certificates", ErrHeader, maxIntermediates+1)
		}
		cert, err := parseByteSequence(":" + part + ":")
		if err != nil {
			return nil, err
		}
		all = append(all, cert)
	}
	return all, nil
}

// parseEscapedPEM reads percent-encoded PEM with nothing but certificates in it.
func parseEscapedPEM(value string) ([]*x509.Certificate, error) {
	text, err := unescaped(value)
	if err != nil {
		return nil, err
	}
	var all []*x509.Certificate
	for rest := []byte(strings.TrimSpace(text)); len(rest) > 0; {
		block, after := pem.Decode(rest)
		if block == nil || block.Type != "CERTIFICATE" || !strings.HasPrefix(string(rest), "-----BEGIN") || len(all) > maxIntermediates {
			return nil, fmt.Errorf("%w: not PEM certificates", ErrHeader)
		}
		if len(block.Bytes) > maxCert {
			return nil, fmt.Errorf("%w: a certificate of more than %d bytes", ErrHeader, maxCert)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%w: not a certificate: %w", ErrHeader, err)
		}
		all, rest = append(all, cert), []byte(strings.TrimSpace(string(after)))
	}
	return all, nil
}

// unescaped undoes percent-encoding; a plus sign, which base64 has, is a plus sign.
func unescaped(value string) (string, error) {
	text, err := url.PathUnescape(value)
	if err != nil {
		return "", fmt.Errorf("%w: not percent-encoded", ErrHeader)
	}
	return text, nil
}
