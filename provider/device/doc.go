// Package device is the device authorization grant (RFC 8628): a device without a browser asks for a user code, its
// user types the code into a browser elsewhere and decides there, and the device gets its tokens by polling.
//
// The service answers the device authorization endpoint, finds a waiting request by its user code for the page, and
// records the user's answer. Polling is the token endpoint's. What a poller has to present is the device_code, which
// is as long as any secret here; the user code is short because people type it, opens nothing but the question
// whether to allow the access, and is known for minutes: who shows it guards how often it can be guessed.
//
// Invariant: a request is answered once and before it expires; the approval and the grant are one commit.
package device
