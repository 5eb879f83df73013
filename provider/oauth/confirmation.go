package oauth

// Confirmation is what a sender proved to hold, and what a token is bound to (RFC 7800 "cnf").
// The zero value means nothing was proved: the token is a plain bearer token.
type Confirmation struct {
	X5TS256 string `json:"x5t#S256,omitempty"` // certificate thumbprint (RFC 8705 section 3.1)
	JKT     string `json:"jkt,omitempty"`      // JWK thumbprint of a DPoP key (RFC 9449 section 6)
}

// IsZero says that nothing was proved.
func (c Confirmation) IsZero() bool { return c == Confirmation{} }

// HeldBy says whether a sender who proved sender may use what is bound to c: everything that c names
// must have been proved. What is bound to nothing may be used by anybody.
func (c Confirmation) HeldBy(sender Confirmation) bool {
	return (c.X5TS256 == "" || c.X5TS256 == sender.X5TS256) && (c.JKT == "" || c.JKT == sender.JKT)
}
