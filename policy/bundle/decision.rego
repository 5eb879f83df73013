# METADATA
# title: The decision
# description: >-
#   The documents that Signet asks for: the first once per token request, the second once per registration. The
#   answers come from five packages, each of which an owner may replace. This package itself cannot be replaced.
package signet

decision := {
	"deny": {
		"client": data.signet.client.deny,
		"grant": data.signet.grant.deny,
		"scope": data.signet.scope.deny,
		"token": data.signet.token.deny,
	},
	"granted": data.signet.scope.granted,
	"authorization_details": data.signet.scope.granted_details,
	"withheld_details": set(),
	"access_claims": data.signet.token.access_claims,
	"id_claims": data.signet.token.id_claims,
	"transaction_context": data.signet.token.transaction_context,
	"access_lifetime": data.signet.token.access_lifetime,
	"id_lifetime": data.signet.token.id_lifetime,
	"refresh_lifetime": data.signet.token.refresh_lifetime,
}

registration_decision := {"deny": {"registration": data.signet.registration.deny}}
