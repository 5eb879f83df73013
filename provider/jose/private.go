package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
)

// ReadPrivateKey prepares an unencrypted PEM key (PKCS #8, SEC 1 or PKCS #1) for the algorithm that every profile
// allows for its kind: ES256, PS256 or EdDSA. With kid "" the key's thumbprint is its kid. Errors wrap
// [ErrMalformed] or [ErrAlgorithm].
func ReadPrivateKey(text []byte, kid string) (*PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%w: not PEM", ErrMalformed)
	}
	for _, parse := range []func([]byte) (any, error){
		x509.ParsePKCS8PrivateKey,
		func(der []byte) (any, error) { return x509.ParseECPrivateKey(der) },
		func(der []byte) (any, error) { return x509.ParsePKCS1PrivateKey(der) },
	} {
		if key, err := parse(block.Bytes); err == nil {
			return prepare(key, kid)
		}
	}
	return nil, fmt.Errorf("%w: not a private key in PKCS #8, SEC 1 or PKCS #1 form", ErrMalformed)
}

func prepare(key any, kid string) (*PrivateKey, error) {
	alg := ""
	switch key.(type) {
	case *ecdsa.PrivateKey:
		alg = "ES256"
	case *rsa.PrivateKey:
		alg = "PS256"
	case ed25519.PrivateKey:
		alg = "EdDSA"
	default:
		return nil, fmt.Errorf("%w: keys of type %T cannot sign", ErrAlgorithm, key)
	}
	return NewPrivateKey(alg, kid, key.(crypto.Signer))
}
