package signet

# METADATA
# title: The decision, with the owner's additions
# description: >-
#   Signet asks for this document instead of data.signet.decision when the owner's directory has a package
#   signet.custom.<client, grant, scope or token>. Without any such package both are the same.
extended := {
	"deny": {
		"client": client_denials,
		"grant": grant_denials,
		"scope": scope_denials,
		"token": token_denials,
	},
	"granted": granted,
	"authorization_details": decision.authorization_details,
	"withheld_details": withheld_details,
	"access_claims": access_claims,
	"id_claims": id_claims,
	"transaction_context": transaction_context,
	"access_lifetime": access_lifetime,
	"id_lifetime": id_lifetime,
	"refresh_lifetime": refresh_lifetime,
}

# A request is refused when either package of a question says no.

client_denials contains denial if some denial in decision.deny.client

client_denials contains denial if some denial in data.signet.custom.client.deny

grant_denials contains denial if some denial in decision.deny.grant

grant_denials contains denial if some denial in data.signet.custom.grant.deny

scope_denials contains denial if some denial in decision.deny.scope

scope_denials contains denial if some denial in data.signet.custom.scope.deny

token_denials contains denial if some denial in decision.deny.token

token_denials contains denial if some denial in data.signet.custom.token.deny

# What signet.scope grants, without what signet.custom.scope withholds.
granted := [scope |
	some scope in decision.granted
	not scope in data.signet.custom.scope.withhold
] if {
	count(data.signet.custom.scope.withhold) > 0
} else := decision.granted

# What signet.custom.scope withholds of the authorization details; Signet takes it from what signet.scope grants.
withheld_details := positions if {
	positions := data.signet.custom.scope.withhold_details
} else := set()

# The claims of both packages, and what they say about a transaction. One name with two values is an error, so there is no decision.

access_claims[name] := value if some name, value in decision.access_claims

access_claims[name] := value if some name, value in data.signet.custom.token.access_claims

id_claims[name] := value if some name, value in decision.id_claims

id_claims[name] := value if some name, value in data.signet.custom.token.id_claims

transaction_context[name] := value if some name, value in decision.transaction_context

transaction_context[name] := value if some name, value in data.signet.custom.token.transaction_context

# A lifetime that signet.custom.token gives comes before the one of signet.token.

access_lifetime := seconds if {
	seconds := data.signet.custom.token.access_lifetime
} else := decision.access_lifetime

id_lifetime := seconds if {
	seconds := data.signet.custom.token.id_lifetime
} else := decision.id_lifetime

refresh_lifetime := seconds if {
	seconds := data.signet.custom.token.refresh_lifetime
} else := decision.refresh_lifetime

# The same about registrations, when the owner's directory has the package signet.custom.registration.
extended_registration := {"deny": {"registration": registration_denials}}

registration_denials contains denial if some denial in registration_decision.deny.registration

registration_denials contains denial if some denial in data.signet.custom.registration.deny
