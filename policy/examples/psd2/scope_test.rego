package psd2.scope_test

import data.signet.scope

certificate(roles) := {"organization_id": "PSDDE-BAFIN-123456", "psd2": {"roles": roles}}

asked(presented, bound, requested) := {
	"certificate": presented,
	"subject": {"kind": "client", "id": "tpp"},
	"grant": {"scope": bound, "requested": requested},
}

rules(document) := {denial.rule | some denial in scope.deny with input as document}

both := ["accounts", "payments"]

test_account_information_provider if {
	scope.granted == {"accounts"} with input as asked(certificate(["PSP_AI"]), both, false)
	rules(asked(certificate(["PSP_AI"]), ["accounts"], true)) == set()
	rules(asked(certificate(["PSP_AI"]), ["payments"], true)) == {"psd2.payments_need_psp_pi", "psd2.nothing_allowed"}
	rules(asked(certificate(["PSP_AI"]), both, true)) == {"psd2.payments_need_psp_pi"}
}

test_payment_initiation_provider if {
	scope.granted == {"payments"} with input as asked(certificate(["PSP_PI"]), both, false)
	rules(asked(certificate(["PSP_PI"]), ["payments"], true)) == set()
	rules(asked(certificate(["PSP_PI"]), ["accounts"], true)) == {"psd2.accounts_need_psp_ai", "psd2.nothing_allowed"}
}

test_both_roles if {
	scope.granted == {"accounts", "payments"} with input as asked(certificate(["PSP_AI", "PSP_PI"]), both, true)
	rules(asked(certificate(["PSP_AI", "PSP_PI"]), both, true)) == set()
}

test_no_role if {
	every presented in [null, {"psd2": null}, certificate([]), certificate(["PSP_AS"])] {
		scope.granted == set() with input as asked(presented, both, false)
		rules(asked(presented, both, false)) == {"psd2.nothing_allowed"}
		rules(asked(presented, both, true)) == {
			"psd2.accounts_need_psp_ai",
			"psd2.payments_need_psp_pi",
			"psd2.nothing_allowed",
		}
	}
}

test_other_scopes_need_no_role if {
	rules(asked(null, ["statements"], true)) == set()
	rules(asked(null, [], false)) == set()
	scope.granted == {"statements"} with input as asked(null, ["statements", "openid"], true)
}

test_user if {
	document := object.union(
		asked(certificate(["PSP_AI"]), ["openid", "accounts", "payments"], false),
		{"subject": {"kind": "user", "id": "alice"}},
	)
	scope.granted == {"openid", "accounts"} with input as document
}
