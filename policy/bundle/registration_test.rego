package signet.registration_test

import data.signet.registration

rules(profile, method, grants) := {denial.rule |
	some denial in registration.deny with input as {
		"request": {"profile": profile},
		"client": {"auth_method": method, "grant_types": grants},
	}
}

test_fapi_needs_strong_methods if {
	every profile in [
		"fapi1-advanced", "fapi2-security", "fapi2-security-id2", "fapi2-message-signing",
		"fapi2-message-signing-id1", "fapi-ciba",
	] {
		every method in ["none", "client_secret_basic", "client_secret_post", "client_secret_jwt"] {
			rules(profile, method, ["authorization_code"]) == {"registration.method_too_weak"}
		}
		every method in ["private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth"] {
			rules(profile, method, ["authorization_code"]) == set()
			rules(profile, method, ["authorization_code", "implicit"]) == {"registration.implicit"}
		}
	}
}

test_openid_allows if {
	every method in ["none", "client_secret_basic", "private_key_jwt"] {
		rules("openid", method, ["authorization_code", "implicit"]) == set()
	}
}
