package psd2.token_test

import data.signet.custom.token

provider := {"organization_id": "PSDDE-BAFIN-123456", "psd2": {"roles": ["PSP_PI"]}}

test_claims if {
	token.access_claims == {
		"psd2_organization": "PSDDE-BAFIN-123456",
		"psd2_roles": ["PSP_PI"],
	} with input as {"certificate": provider}
}

test_no_claims_without_psd2 if {
	token.access_claims == {} with input as {"certificate": null}
	token.access_claims == {} with input as {"certificate": {"organization_id": "X", "psd2": null}}
}

test_payments_live_short if {
	token.access_lifetime == 120 with data.signet.scope.granted as {"accounts", "payments"}
	not token.access_lifetime with data.signet.scope.granted as {"accounts"}
}
