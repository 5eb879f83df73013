package store

import "signet/provider/oauth"

const insertAssertion = `INSERT INTO assertions (client_id, jti, expires_at) VALUES (?, ?, ?)`

func (p *plan) useAssertion(c oauth.UseAssertion) {
	p.do(c, newKey, insertAssertion, c.ClientID, c.JTI, micros(c.Until))
}
