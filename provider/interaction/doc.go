// Package interaction is what a user sees: the login page, the consent page, the page for errors that must
// not be redirected, the page that carries a form_post answer, and the page on which users answer backchannel
// requests. They are plain HTML with one style sheet; there is no script at all, and the content security policy
// allows none.
//
// Invariant: a page acts only for the browser that holds the waiting request's ticket - the approvals page: the
// user's session -, and no answer of a login page tells whether the username exists.
//
// Element ids are an interface: browsers driven by tests and by conformance suites use them.
//
//	every page  body[data-page] is login, consent, error, forward or approvals
//	login       username, password (also their field names), login-button, cancel-button, login-error
//	consent     consent-approve, consent-deny, consent-client, consent-user, consent-scopes (one li per
//	            scope, id "scope-<name>"), consent-resources, consent-bound, consent-lifetime,
//	            consent-return, switch-user; consent-details (one div per authorization detail, id "detail-<n>"
//	            from 0), consent-before (what becomes of an earlier permission)
//	error       error-title, error-code, error-description, request-id
//	forward     forward-button
//	approvals   approvals-user, approvals-done, approvals-none, approvals-refresh, switch-user, and for each
//	            request, by its public id: approval-<id> (the form), message-<id> (the binding message),
//	            approve-<id>, deny-<id>
package interaction
