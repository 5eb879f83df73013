package signet.token_test

import data.signet.token

about(profile, certificate, lifetime) := {
	"request": {"profile": profile},
	"certificate": certificate,
	"token": {"lifetime": lifetime},
}

certificate := {"thumbprint": "t"}

test_fapi_needs_binding if {
	some denial in token.deny with input as about("fapi2-security", null, 300)
	denial.rule == "token.not_bound"
	token.deny == set() with input as about("fapi2-security", certificate, 300)
	token.deny == set() with input as about("openid", null, 300)
}

test_unbound_lives_an_hour if {
	token.access_lifetime == 3600 with input as about("openid", null, 7200)
	token.access_lifetime == 0 with input as about("openid", null, 3600)
	token.access_lifetime == 0 with input as about("openid", certificate, 7200)
}

test_no_claims_by_default if {
	token.access_claims == {}
	token.id_claims == {}
}
