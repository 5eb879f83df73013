// Package logout ends browser sessions: OpenID Connect RP-Initiated Logout 1.0 with its question to the user, the
// notices to the clients that took part in the session (Front-Channel Logout 1.0, Back-Channel Logout 1.0), and the
// page by which clients watch whether it lasts (Session Management 1.0). It also sends browsers to where a client
// begins logins that somebody else has initiated (OpenID Connect Core section 4).
//
// A logout is one commit: the session, what was noted of it, the grants that end with it, what its clients are owed,
// and the audit entry. A session ends only by the browser that holds it: at once when an ID token of that very session
// comes along, otherwise when its user says so.
//
// Invariant: a browser is sent on only to a post_logout_redirect_uri, or an initiate_login_uri, that the client which
// the request names has registered, exactly; a request with a fault ends nothing and leads nowhere.
package logout
