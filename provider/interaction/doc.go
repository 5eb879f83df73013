// Package interaction is what a user sees: the login page, the consent page, the page for errors that must
// not be redirected, the page that carries a form_post answer, the page on which users answer backchannel
// requests, that on which they type the codes of their devices, and the pages for signing out. They are plain HTML with
// one style sheet, in the user's language (see [Pages.Languages]), and all can be used without script. Two have a short
// one of their own, which the content security policy allows by its digest: the form_post page sends itself, and the last
// page of signing out goes on to the client.
//
// Invariant: a page acts only for the browser that holds the waiting request's ticket - the approvals page and
// the device page: the user's session -, and no answer of a login page tells whether the username exists.
//
// Element ids are an interface: browsers driven by tests and by conformance suites use them.
//
//	every page  body[data-page] is login, consent, error, forward, approvals, device, logout, logged-out or stayed
//	login       username, password (also their field names), login-button, cancel-button, login-error; where an
//	            account is to be selected and somebody is signed in: continue-user, continue-button
//	both        client-logo, client-website, client-policy, client-terms: on the login and on the consent page
//	consent     consent-approve, consent-deny, consent-client, consent-user, consent-scopes (one li per
//	            scope, id "scope-<name>"), consent-resources, consent-bound, consent-lifetime,
//	            consent-return, switch-user; consent-details (one div per authorization detail, id "detail-<n>"
//	            from 0), consent-before (what becomes of an earlier permission)
//	error       error-title, error-why, error-code, error-description, request-id
//	forward     forward-button
//	approvals   approvals-user, approvals-done, approvals-none, approvals-refresh, switch-user, and for each
//	            request, by its public id: approval-<id> (the form), message-<id> (the binding message),
//	            approve-<id>, deny-<id>
//	device      device-user, switch-user; to type a code: user-code (field user_code), device-continue, device-error;
//	            for the request of a code: device-code (as the device shows it), device-client, device-scopes (one li per
//	            scope, id "scope-<name>"), device-details, device-resources, device-lifetime, device-time, device-warning,
//	            device-approve, device-deny; afterwards: device-done, device-another
//	logout      logout-client, logout-user, logout-approve, logout-deny
//	logged-out  logout-continue
package interaction
