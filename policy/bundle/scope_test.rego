package signet.scope_test

import data.signet.scope

asked(kind, bound, requested) := {"subject": {"kind": kind}, "grant": {"scope": bound, "requested": requested}}

test_user_gets_all if {
	scope.granted == ["openid", "accounts"] with input as asked("user", ["openid", "accounts"], true)
	scope.deny == set() with input as asked("user", ["openid", "accounts"], true)
}

test_client_gets_nothing_personal if {
	scope.granted == {"accounts"} with input as asked("client", ["openid", "offline_access", "accounts"], false)
}

test_nothing_granted if {
	some denial in scope.deny with input as asked("client", ["openid"], true)
	denial.rule == "scope.nothing_granted"
	denial.error == "invalid_scope"
}

test_no_scope_asked if {
	scope.deny == set() with input as asked("client", [], false)
	scope.granted == set() with input as asked("client", [], false)
}

test_unknown_subject_is_undefined if not scope.granted with input as asked("robot", ["accounts"], true)

test_all_details if {
	scope.granted_details == "all" with input as {"grant": {"authorization_details": [{"type": "payment_initiation"}]}}
}
