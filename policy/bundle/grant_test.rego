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

test_password_and_device_about_client if {
	rules("password", "private_key_jwt", itself) == {"grant.no_user"}
	rules("urn:ietf:params:oauth:grant-type:device_code", "none", itself) == {"grant.no_user"}
	rules("password", "none", somebody) == set()
}

api := "https://api.example"

# An exchange by the client "tpp", whose subject token says the claims.
exchanged(type, actor, claims) := {
	"client": {"id": "tpp", "auth_method": "private_key_jwt", "introspects": [api, "https://other.example"], "trusted_for": []},
	"grant": {
		"type": "urn:ietf:params:oauth:grant-type:token-exchange",
		"exchange": {"subject_token_type": type, "subject_claims": claims, "actor_token_type": actor},
		"transaction": null,
	},
	"subject": somebody,
}

refused(about) := {denial.rule | some denial in grant.deny with input as about}

access := "urn:ietf:params:oauth:token-type:access_token"

test_delegation if {
	refused(exchanged(access, access, {"client_id": "other", "aud": "https://elsewhere.example"})) == set()
	refused(exchanged("urn:ietf:params:oauth:token-type:saml2", access, {})) == set()
}

test_impersonation_by_the_own_client if {
	refused(exchanged(access, "", {"client_id": "tpp", "aud": "https://elsewhere.example"})) == set()
	refused(exchanged("urn:ietf:params:oauth:token-type:id_token", "", {"aud": "tpp"})) == set()
	refused(exchanged("urn:ietf:params:oauth:token-type:refresh_token", "", {})) == set()
}

test_impersonation_by_the_resource_server if {
	refused(exchanged(access, "", {"client_id": "other", "aud": api})) == set()
	refused(exchanged(access, "", {"client_id": "other", "aud": [api, "tpp"]})) == set()
}

test_impersonation_by_others if {
	every claims in [
		{}, {"client_id": "other"}, {"client_id": "other", "aud": []}, {"client_id": "other", "aud": ""},
		{"client_id": "other", "aud": [api, "https://elsewhere.example"]}, {"client_id": ["tpp"]}, {"aud": {"a": api, "b": "https://elsewhere.example"}},
	] {
		refused(exchanged(access, "", claims)) == {"grant.impersonation"}
	}
}

test_impersonation_by_the_trusted if {
	about := exchanged("urn:ietf:params:oauth:token-type:jwt", "", {"iss": "https://sts.example", "aud": "https://as.example"})
	refused(about) == {"grant.impersonation"}
	refused(object.union(about, {"client": {"trusted_for": [about.grant.type]}})) == set()
	refused(object.union(about, {"client": {"trusted_for": ["urn:example:other"]}})) == {"grant.impersonation"}
}

test_transaction_tokens_say_who_asked if {
	about := exchanged(access, "", {"client_id": "other", "aud": "https://elsewhere.example"})
	refused(object.union(about, {"grant": {"transaction": {"audience": "https://trust-domain.example"}}})) == set()
}

legacy := {"client": {"id": "tpp"}, "grant": {"type": "urn:example:legacy"}, "subject": {"kind": "client", "id": "tpp"}}

test_declared_grants_need_a_rule if {
	refused(legacy) == {"grant.declared"}
	grant.deny == set() with input as legacy with data.signet.custom.grant.declared as {"urn:example:legacy"}
	count(grant.deny) == 1 with input as legacy with data.signet.custom.grant.declared as {"urn:example:other"}
}

test_built_in_grants_are_not_declared if {
	every type in [
		"authorization_code", "implicit", "client_credentials", "refresh_token", "urn:openid:params:grant-type:ciba", "password",
		"urn:ietf:params:oauth:grant-type:device_code", "urn:ietf:params:oauth:grant-type:token-exchange",
		"urn:ietf:params:oauth:grant-type:jwt-bearer", "urn:ietf:params:oauth:grant-type:saml2-bearer",
	] {
		not "grant.declared" in rules(type, "private_key_jwt", somebody)
	}
}
