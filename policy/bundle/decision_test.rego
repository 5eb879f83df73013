package signet_test

import data.signet

request := {
	"request": {"id": "r", "door": "mtls", "time": "2026-01-02T03:04:05Z", "unix": 1767323045, "profile": "openid"},
	"client": {
		"id": "tpp", "name": "TPP", "auth_method": "private_key_jwt",
		"grant_types": ["client_credentials"], "scope": ["accounts", "payments"], "resources": [],
	},
	"certificate": null,
	"sender": {"method": "none", "thumbprint": ""},
	"subject": {"kind": "client", "id": "tpp", "acr": "", "amr": [], "auth_time": 0},
	"grant": {"type": "client_credentials", "scope": ["accounts", "payments"], "requested": true, "resources": [], "authorization_details": [{"type": "a"}, {"type": "b"}]},
	"token": {"format": "jwt", "lifetime": 300},
}

denial(rule) := {"rule": rule, "error": "access_denied", "text": "because"}

test_allowed if {
	decision := signet.decision with input as request
	decision.deny == {"client": set(), "grant": set(), "scope": set(), "token": set()}
	decision.granted == {"accounts", "payments"}
}

test_undefined_without_input if not signet.decision

test_extended_is_the_same_without_additions if {
	decision := signet.decision with input as request
	extended := signet.extended with input as request
	decision == extended
}

test_additions_deny if {
	extended := signet.extended with input as request
		with data.signet.custom.client.deny as {denial("bank.client")}
		with data.signet.custom.grant.deny as {denial("bank.grant")}
		with data.signet.custom.scope.deny as {denial("bank.scope")}
		with data.signet.custom.token.deny as {denial("bank.token")}
	extended.deny == {
		"client": {denial("bank.client")},
		"grant": {denial("bank.grant")},
		"scope": {denial("bank.scope")},
		"token": {denial("bank.token")},
	}
}

test_additions_do_not_lift_denials if {
	extended := signet.extended with input as request
		with input.client.auth_method as "none"
		with data.signet.custom.grant.deny as set()
	extended.deny.grant[_].rule == "grant.public_client"
}

test_additions_withhold if {
	extended := signet.extended with input as request with data.signet.custom.scope.withhold as {"payments", "other"}
	extended.granted == ["accounts"]
}

test_all_details_without_rules if {
	decision := signet.decision with input as request
	decision.authorization_details == "all"
	decision.withheld_details == set()
}

test_additions_withhold_details if {
	extended := signet.extended with input as request with data.signet.custom.scope.withhold_details as {1}
	extended.authorization_details == "all"
	extended.withheld_details == {1}
}

test_additions_to_claims if {
	extended := signet.extended with input as request
		with data.signet.token.access_claims as {"a": 1}
		with data.signet.custom.token.access_claims as {"b": 2}
		with data.signet.custom.token.id_claims as {"c": 3}
	extended.access_claims == {"a": 1, "b": 2}
	extended.id_claims == {"c": 3}
}

test_additions_to_the_transaction_context if {
	extended := signet.extended with input as request
		with data.signet.token.transaction_context as {"a": 1}
		with data.signet.custom.token.transaction_context as {"b": 2}
	extended.transaction_context == {"a": 1, "b": 2}
}

test_additions_to_lifetimes if {
	extended := signet.extended with input as request
		with data.signet.custom.token.access_lifetime as 60
		with data.signet.custom.token.id_lifetime as 0
	extended.access_lifetime == 60
	extended.id_lifetime == 0
	extended.refresh_lifetime == 0
}

test_registration_allowed if {
	signet.registration_decision.deny.registration == set() with input as request
	signet.extended_registration == signet.registration_decision with input as request
}

test_additions_deny_registrations if {
	extended := signet.extended_registration with input as request
		with input.request.profile as "fapi2-security"
		with input.client.auth_method as "none"
		with data.signet.custom.registration.deny as {denial("bank.registration")}
	{d.rule | some d in extended.deny.registration} == {"bank.registration", "registration.method_too_weak"}
}
