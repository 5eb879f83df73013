# METADATA
# title: May this client use this grant, about this subject, for these resource servers?
package signet.grant

# RFC 6749 section 4.4: only a client that can keep a credential may act in its own name.
deny contains {
	"rule": "grant.public_client",
	"error": "unauthorized_client",
	"text": "a public client cannot use client_credentials",
} if {
	input.grant.type == "client_credentials"
	input.client.auth_method == "none"
}

# A token in a client's own name is about that client and nobody else (RFC 9068 section 2.2).
deny contains {
	"rule": "grant.not_own_name",
	"error": "invalid_grant",
	"text": "client_credentials gives tokens about the client itself only",
} if {
	input.grant.type == "client_credentials"
	input.subject.id != input.client.id
}

deny contains {
	"rule": "grant.not_own_name",
	"error": "invalid_grant",
	"text": "client_credentials gives tokens about the client itself only",
} if {
	input.grant.type == "client_credentials"
	input.subject.kind == "user"
}

# What a user allowed is about a user.
deny contains {
	"rule": "grant.no_user",
	"error": "invalid_grant",
	"text": "the grant needs a user",
} if {
	input.grant.type in {
		"authorization_code", "implicit", "refresh_token", "urn:openid:params:grant-type:ciba",
		"password", "urn:ietf:params:oauth:grant-type:device_code",
	}
	input.subject.kind == "client"
}

# Without an actor token the client takes the subject's place and nothing in the new token says so (RFC 8693 section 1.1):
# that is for a client to which the token was given, or shown. A transaction token says who asked for it. The error is
# that of RFC 8693 section 2.2.2 for a token that is unacceptable based on policy.
deny contains {
	"rule": "grant.impersonation",
	"error": "invalid_request",
	"text": "an exchange without an actor token is for the subject token's own client and the resource servers of its audience",
} if {
	input.grant.type == "urn:ietf:params:oauth:grant-type:token-exchange"
	input.grant.exchange.actor_token_type == ""
	input.grant.transaction == null
	not given_or_shown
}

# What a refresh token is and an ID token says is for the client alone; only its own are taken.
given_or_shown if input.grant.exchange.subject_token_type == "urn:ietf:params:oauth:token-type:refresh_token"

given_or_shown if input.grant.exchange.subject_claims.client_id == input.client.id

given_or_shown if {
	count(audience) > 0
	every server in audience {
		server in {input.client.id} | {known | some known in input.client.introspects}
	}
}

# A client that may name the user itself needs no token from this server to do so.
given_or_shown if input.grant.type in input.client.trusted_for

# The subject token's audience: one text or a list (RFC 7519 section 4.1.3).
audience := {aud} if {
	aud := input.grant.exchange.subject_claims.aud
	is_string(aud)
} else := {server | some server in input.grant.exchange.subject_claims.aud}

# A grant that the configuration declares is refused until the owner's package signet.custom.grant says yes:
# 'declared contains "urn:example:legacy" if ...'.
deny contains {
	"rule": "grant.declared",
	"error": "unauthorized_client",
	"text": "a declared grant needs a rule of the owner's that allows it",
} if {
	not input.grant.type in {
		"authorization_code", "implicit", "client_credentials", "refresh_token", "urn:openid:params:grant-type:ciba",
		"password", "urn:ietf:params:oauth:grant-type:device_code", "urn:ietf:params:oauth:grant-type:token-exchange",
		"urn:ietf:params:oauth:grant-type:jwt-bearer", "urn:ietf:params:oauth:grant-type:saml2-bearer",
	}
	not allowed_by_owner
}

allowed_by_owner if input.grant.type in data.signet.custom.grant.declared
