# METADATA
# title: What the bank's APIs want to know about a third party
# description: >-
#   Adds to Signet's own package signet.token, which stays in force: who the third party is according to
#   its competent authority, and a short life for tokens that can move money.
package signet.custom.token

access_claims.psd2_organization := input.certificate.organization_id if {
	input.certificate.psd2 != null
}

access_claims.psd2_roles := input.certificate.psd2.roles

access_lifetime := 120 if {
	some scope in data.signet.scope.granted
	scope == "payments"
}
