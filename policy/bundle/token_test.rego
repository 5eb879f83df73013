package signet.token_test

import data.signet.token

about(profile, method, lifetime) := {
	"request": {"profile": profile},
	"sender": {"method": method},
	"token": {"lifetime": lifetime},
}

rules(profile, method) := {denial.rule | some denial in token.deny with input as about(profile, method, 300)}

test_fapi_needs_binding if {
	every profile in ["fapi2-security", "fapi2-security-id2", "fapi2-message-signing", "fapi2-message-signing-id1"] {
		rules(profile, "none") == {"token.not_bound"}
		rules(profile, "mtls") == set()
		rules(profile, "dpop") == set()
	}
	every profile in ["fapi1-advanced", "fapi-ciba"] {
		rules(profile, "none") == {"token.not_bound"}
		rules(profile, "mtls") == set()
		rules(profile, "dpop") == {"token.not_bound_to_certificate"}
	}
	rules("openid", "none") == set()
}

test_unbound_lives_an_hour if {
	token.access_lifetime == 3600 with input as about("openid", "none", 7200)
	token.access_lifetime == 0 with input as about("openid", "none", 3600)
	token.access_lifetime == 0 with input as about("openid", "mtls", 7200)
	token.access_lifetime == 0 with input as about("openid", "dpop", 7200)
}

test_no_claims_by_default if {
	token.access_claims == {}
	token.id_claims == {}
}
