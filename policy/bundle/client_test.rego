package signet.client_test

import data.signet.client

certificate := {"subject": "CN=tpp", "issuer": "CN=ca", "thumbprint": "t", "organization_id": "", "psd2": null}

rules(profile, method, presented) := {denial.rule |
	some denial in client.deny with input as {
		"request": {"profile": profile},
		"client": {"auth_method": method},
		"certificate": presented,
	}
}

test_fapi_refuses_weak_methods if {
	every method in ["none", "client_secret_basic", "client_secret_post", "client_secret_jwt"] {
		every profile in ["fapi1-advanced", "fapi2-security", "fapi2-message-signing", "fapi-ciba"] {
			rules(profile, method, certificate) == {"client.method_too_weak"}
		}
		rules("openid", method, null) == set()
	}
}

test_strong_methods_pass if {
	every method in ["private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth"] {
		rules("fapi2-security", method, certificate) == set()
		rules("openid", method, certificate) == set()
	}
}

test_certificate_methods_need_one if {
	rules("openid", "tls_client_auth", null) == {"client.certificate_missing"}
	rules("openid", "self_signed_tls_client_auth", null) == {"client.certificate_missing"}
	rules("openid", "private_key_jwt", null) == set()
}
