package jose

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
)

// algNone says that there is no signature (RFC 7518 section 3.6). Nothing but this file knows it: [Verify] refuses it
// whatever its caller allows.
const algNone = "none"

// Unsigned returns an unsecured JWT (RFC 7519 section 6). typ is left out when "".
func Unsigned(typ string, payload []byte) string {
	header, _ := json.Marshal(struct { // strings alone never fail
		Alg string `json:"alg"`
		Typ string `json:"typ,omitempty"`
	}{algNone, typ})
	b64 := base64.RawURLEncoding
	return b64.EncodeToString(header) + "." + b64.EncodeToString(payload) + "."
}

// ReadUnsigned returns the payload of an unsecured JWT, of which anybody can be the author. It wants alg "none", an
// empty signature and, beside typ and cty, nothing else in the header: what speaks of a key or of an extension was
// meant for something that is protected. Errors wrap [ErrMalformed], or [ErrAlgorithm] for another alg.
func ReadUnsigned(compact string) ([]byte, error) {
	p, err := split(compact)
	if err != nil {
		return nil, err
	}
	if p.Alg != algNone {
		return nil, fmt.Errorf("%w: it says that it is signed", ErrAlgorithm)
	}
	if len(p.signature) > 0 {
		return nil, fmt.Errorf("%w: alg none with a signature", ErrMalformed)
	}
	list, err := headerMembers(compact)
	if err != nil {
		return nil, err
	}
	for _, m := range list {
		if m.name != "alg" && m.name != "typ" && m.name != "cty" {
			return nil, fmt.Errorf("%w: an unsigned token has alg, typ and cty alone in its header", ErrMalformed)
		}
	}
	return p.Payload, nil
}
