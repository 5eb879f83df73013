# METADATA
# title: PSD2 roles decide over scopes
# description: >-
#   Account information only for account information service providers (PSP_AI), payments only for payment
#   initiation service providers (PSP_PI). The role is the one that the competent authority has put into
#   the client's qualified certificate (ETSI TS 119 495), whatever the client is registered for.
#   This file replaces Signet's own package signet.scope.
package signet.scope

role_of := {
	"accounts": "PSP_AI",
	"payments": "PSP_PI",
}

# The roles of the certificate; none without a certificate, and none when it has no PSD2 statement.
default roles := []

roles := input.certificate.psd2.roles

without_role contains scope if {
	some scope in input.grant.scope
	role := role_of[scope]
	not role in roles
}

# The built-in package leaves these out of tokens about clients. It is replaced, so that is repeated here.
about_people := {"openid", "profile", "email", "address", "phone", "offline_access"}

within_role := {scope | some scope in input.grant.scope} - without_role

granted := within_role if {
	input.subject.kind == "user"
}

granted := within_role - about_people if {
	input.subject.kind == "client"
}

# Who asks by name for what the certificate does not allow is told so.
deny contains {
	"rule": sprintf("psd2.%s_need_%s", [scope, lower(role_of[scope])]),
	"error": "invalid_scope",
	"text": sprintf("the scope %s needs a certificate with the PSD2 role %s", [scope, role_of[scope]]),
} if {
	input.grant.requested == true
	some scope in without_role
}

# Who asks for everything gets what is allowed, if that is anything.
deny contains {
	"rule": "psd2.nothing_allowed",
	"error": "invalid_scope",
	"text": "no scope is allowed with the PSD2 roles of the certificate",
} if {
	count(granted) == 0
	count(input.grant.scope) > 0
}
