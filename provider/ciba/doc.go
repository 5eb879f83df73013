// Package ciba is client-initiated backchannel authentication (OpenID CIBA Core 1.0, FAPI-CIBA): a client names a
// user, the user answers on another device, and the client gets its tokens by polling, after a ping, or by push.
//
// A request is kept pending until its user answers it through [Service.Answer], which the approval page and a bank's
// own devices call. What a client or a device is to be told is committed as a delivery together with what it tells
// of, and sent afterwards: at least once, by whichever process claims it.
//
// Invariant: only the user whom the request's hint named can approve it, once and before it expires; the approval,
// the grant and the notice of it are one commit.
package ciba
