// Package policy answers the bank's own questions about each token request with Rego rules, evaluated by
// an embedded Open Policy Agent: may this client call, may it use this grant, which scopes does it get,
// and with which claims and lifetimes; and about each client that registers itself: may it be kept. Protocol
// rules are Go and stand elsewhere; these are the owner's.
//
// Invariant: no token and no registration without a complete, well-formed decision that is within the bounds given in Input.
// An evaluation that fails, takes too long, is undefined or returns something of the wrong kind is an
// error, and the caller refuses.
//
// # What a policy sees
//
// The document "input" is [Input] with these names. Each is always there: an absent text is "", an absent
// list is [], an absent object is null, or {} where its members are not Signet's to know, so that "input.certificate == null" is the test for no certificate.
//
//	input.request.id                    text    request id, as in the logs and in errors
//	input.request.door                  text    "main" or "mtls"
//	input.request.time                  text    time of the decision, RFC 3339 in UTC, whole seconds
//	input.request.unix                  number  the same in seconds since 1970
//	input.request.profile               text    security profile in force, e.g. "openid" or "fapi2-security"
//	input.client.id                     text    client_id
//	input.client.name                   text    client_name
//	input.client.auth_method            text    how the client authenticated, e.g. "private_key_jwt"
//	input.client.grant_types            list    grant types it is registered for
//	input.client.scope                  list    scopes it is registered for
//	input.client.resources              list    resource servers it is registered for
//	input.client.introspects            list    resource servers that it is: whose tokens it may introspect, RFC 7662
//	input.client.trusted_for            list    grant types by which it may name the user itself
//	input.certificate                   object  the client's certificate, or null
//	input.certificate.subject           text    distinguished name, RFC 4514
//	input.certificate.issuer            text    distinguished name, RFC 4514
//	input.certificate.thumbprint        text    x5t#S256, RFC 8705 section 3.1
//	input.certificate.trusted           bool    its chain ends at a configured trust anchor
//	input.certificate.organization_id   text    organizationIdentifier, e.g. "PSDDE-BAFIN-123456"; only of a trusted one
//	input.certificate.psd2              object  PSD2 statement, ETSI TS 119 495, of a trusted one, or null
//	input.certificate.psd2.roles        list    of "PSP_AS", "PSP_PI", "PSP_AI", "PSP_IC"
//	input.certificate.psd2.authority_name  text  name of the competent authority
//	input.certificate.psd2.authority_id    text  its identifier, e.g. "DE-BAFIN"
//	input.sender.method                 text    what the token would be bound to: "mtls", "dpop" or "none"
//	input.sender.thumbprint             text    of that certificate (x5t#S256) or DPoP key (jkt)
//	input.subject.kind                  text    "client" or "user"
//	input.subject.id                    text    the token's sub
//	input.subject.acr                   text    how strongly the user logged in
//	input.subject.amr                   list    by which means, RFC 8176
//	input.subject.auth_time             number  when, in seconds since 1970; 0 for a client
//	input.grant.type                    text    grant_type, e.g. "client_credentials"
//	input.grant.scope                   list    the most that can be granted
//	input.grant.requested               boolean whether the client named scopes in this request
//	input.grant.resources               list    resource servers the token is for, RFC 8707
//	input.grant.authorization_details   list    objects, RFC 9396: the most that can be granted
//	input.grant.parameters              object  parameters of a declared grant, as its configuration lists them
//	input.grant.exchange                object  which token is to become which, RFC 8693; or null
//	input.grant.exchange.subject_token_type    text    its type identifier, RFC 8693 section 3
//	input.grant.exchange.subject_issuer        text    who made it
//	input.grant.exchange.subject_claims        object  what it says
//	input.grant.exchange.actor_token_type      text    "" without an actor token: impersonation
//	input.grant.exchange.actors                list    objects with sub, iss, client_id: who would act, the present actor first
//	input.grant.exchange.requested_token_type  text    what it is to become
//	input.grant.transaction                    object  what a transaction token is asked for with, or null
//	input.grant.transaction.audience           text    the trust domain
//	input.grant.transaction.request_context    object  what the client says of the request's circumstances
//	input.grant.transaction.request_details    object  what the client says the transaction is about
//	input.grant.transaction.replaces           bool    it takes the place of another transaction token
//	input.grant.assertion                      object  an assertion that is redeemed, RFC 7521; or null
//	input.grant.assertion.issuer               text    who made it
//	input.grant.assertion.claims               object  what it says
//	input.token.format                  text    "jwt" or "opaque"
//	input.token.lifetime                number  seconds an access token lives by default
//	input.registration                  object  a client's registration that is about to be kept, or null
//	input.registration.action           text    "new" or "update"
//	input.registration.admitted_by      text    "open", "initial_access_token" or "registration_access_token"
//	input.registration.metadata         object  client metadata, RFC 7591 section 2; what has no value is absent
//	input.registration.software_statement         object  what a trusted issuer says of the software, or null
//	input.registration.software_statement.issuer  text    its iss
//	input.registration.software_statement.claims  object  all that it says
//
// # What a policy answers
//
// Five packages answer, and an owner's file of the same package replaces the built-in one as a whole:
// signet.client and signet.grant (deny), signet.scope (deny, granted, granted_details) and signet.token (deny,
// access_claims, id_claims, transaction_context, access_lifetime, id_lifetime, refresh_lifetime); about a registration signet.registration
// (deny). Packages named signet.custom.client, .grant, .scope, .token and .registration add to them instead. README.md shows each at work.
package policy
