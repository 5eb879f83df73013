// Package interaction is what a user sees: the login page, the consent page, the page for errors that must
// not be redirected, and the page that carries a form_post answer. They are plain HTML with one style
// sheet; there is no script at all, and the content security policy allows none.
//
// Invariant: a page acts only for the browser that holds the waiting request's ticket, and no answer of the
// login page tells whether the username exists.
//
// Element ids are an interface: browsers driven by tests and by conformance suites use them.
//
//	every page  body[data-page] is login, consent, error or forward
//	login       username, password (also their field names), login-button, cancel-button, login-error
//	consent     consent-approve, consent-deny, consent-client, consent-user, consent-scopes (one li per
//	            scope, id "scope-<name>"), consent-resources, consent-bound, consent-lifetime,
//	            consent-return, switch-user
//	error       error-title, error-code, error-description, request-id
//	forward     forward-button
package interaction
