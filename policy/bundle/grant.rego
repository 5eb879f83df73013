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
	input.grant.type in {"authorization_code", "implicit", "refresh_token", "urn:openid:params:grant-type:ciba"}
	input.subject.kind == "client"
}
