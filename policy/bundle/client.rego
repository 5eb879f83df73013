# METADATA
# title: May this client call in this way?
# description: >-
#   The client has already proved who it is, by the method it is registered for. These rules are the second
#   line: they hold even if a registration or the configuration is wrong.
package signet.client

# FAPI 2.0 Security Profile section 5.3.2.1 item 6, FAPI 1.0 Advanced section 5.2.2 item 14: private_key_jwt or mutual TLS, nothing else.
deny contains {
	"rule": "client.method_too_weak",
	"error": "invalid_client",
	"text": "the security profile requires private_key_jwt or mutual TLS",
} if {
	input.request.profile in {
		"fapi1-advanced", "fapi2-security", "fapi2-security-id2", "fapi2-message-signing",
		"fapi2-message-signing-id1", "fapi-ciba",
	}
	input.client.auth_method in {"none", "client_secret_basic", "client_secret_post", "client_secret_jwt"}
}

# RFC 8705 section 2: a method that rests on a certificate, without one in sight.
deny contains {
	"rule": "client.certificate_missing",
	"error": "invalid_client",
	"text": "the authentication method of the client needs a TLS client certificate",
} if {
	input.certificate == null
	input.client.auth_method in {"tls_client_auth", "self_signed_tls_client_auth"}
}
