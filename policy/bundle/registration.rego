# METADATA
# title: May this client be registered so?
# description: >-
#   A client registers itself, or changes its registration, by no rule of the protocol forbidden. These rules are the
#   second line: they hold even if the configuration is wrong.
package signet.registration

# FAPI 2.0 Security Profile section 5.3.2.1 item 6, FAPI 1.0 Advanced section 5.2.2 item 14: private_key_jwt or mutual TLS, nothing else.
deny contains {
	"rule": "registration.method_too_weak",
	"error": "invalid_client_metadata",
	"text": "the security profile requires private_key_jwt or mutual TLS",
} if {
	input.request.profile in {
		"fapi1-advanced", "fapi2-security", "fapi2-security-id2", "fapi2-message-signing",
		"fapi2-message-signing-id1", "fapi-ciba",
	}
	input.client.auth_method in {"none", "client_secret_basic", "client_secret_post", "client_secret_jwt"}
}

# RFC 9700 section 2.1.2: access tokens in a browser's address are for nobody who is held to FAPI.
deny contains {
	"rule": "registration.implicit",
	"error": "invalid_client_metadata",
	"text": "the security profile has no implicit grant",
} if {
	input.request.profile in {
		"fapi1-advanced", "fapi2-security", "fapi2-security-id2", "fapi2-message-signing",
		"fapi2-message-signing-id1", "fapi-ciba",
	}
	"implicit" in input.client.grant_types
}
