# METADATA
# title: Which scopes does it get?
# description: >-
#   input.grant.scope is the most that can be granted. What is left out without a denial is missing from the
#   scope in the response (RFC 6749 section 3.3).
package signet.scope

granted := input.grant.scope if {
	input.subject.kind == "user"
}

# Scopes about a person mean nothing in a token about a client (OpenID Connect Core sections 5.4 and 11).
granted := about_client if {
	input.subject.kind == "client"
	about_client := {scope | some scope in input.grant.scope} -
		{"openid", "profile", "email", "address", "phone", "offline_access"}
}

# Which authorization details (RFC 9396): "all", or their positions in input.grant.authorization_details from 0.
granted_details := "all"

# The client asked for scopes by name and would get none of them.
deny contains {
	"rule": "scope.nothing_granted",
	"error": "invalid_scope",
	"text": "none of the requested scopes can be granted",
} if {
	input.grant.requested == true
	count(granted) == 0
}
