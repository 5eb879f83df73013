package signet.grant_test

import data.signet.grant

rules(type, method, subject) := {denial.rule |
	some denial in grant.deny with input as {
		"client": {"id": "tpp", "auth_method": method},
		"grant": {"type": type},
		"subject": subject,
	}
}

itself := {"kind": "client", "id": "tpp"}

somebody := {"kind": "user", "id": "alice"}

test_client_in_its_own_name if rules("client_credentials", "private_key_jwt", itself) == set()

test_user if {
	rules("authorization_code", "none", somebody) == set()
	rules("refresh_token", "none", somebody) == set()
	rules("implicit", "none", somebody) == set()
}

test_public_client if rules("client_credentials", "none", itself) == {"grant.public_client"}

test_another_client if {
	rules("client_credentials", "tls_client_auth", {"kind": "client", "id": "other"}) == {"grant.not_own_name"}
}

test_client_credentials_about_user if {
	rules("client_credentials", "tls_client_auth", somebody) == {"grant.not_own_name"}
	rules("client_credentials", "tls_client_auth", {"kind": "user", "id": "tpp"}) == {"grant.not_own_name"}
}

test_code_about_client if {
	rules("authorization_code", "private_key_jwt", itself) == {"grant.no_user"}
	rules("refresh_token", "private_key_jwt", itself) == {"grant.no_user"}
	rules("implicit", "private_key_jwt", itself) == {"grant.no_user"}
}
