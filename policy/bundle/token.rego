# METADATA
# title: May the token be issued, with which claims and lifetimes?
# description: Lifetimes are whole seconds; 0 leaves the default of the resource server or the instance.
package signet.token

# FAPI 2.0 Security Profile section 5.3.2.1 item 4, FAPI 1.0 Advanced section 5.2.2 item 5: no access token that
# anybody could use.
deny contains {
	"rule": "token.not_bound",
	"error": "invalid_request",
	"text": "the security profile requires a TLS client certificate or a DPoP proof to bind the access token to",
} if {
	input.request.profile in {
		"fapi1-advanced", "fapi2-security", "fapi2-security-id2", "fapi2-message-signing",
		"fapi2-message-signing-id1", "fapi-ciba",
	}
	input.sender.method == "none"
}

# FAPI 1.0 Advanced section 5.2.2 item 6: bound to a certificate, not to a DPoP key.
deny contains {
	"rule": "token.not_bound_to_certificate",
	"error": "invalid_request",
	"text": "the security profile requires a TLS client certificate to bind the access token to",
} if {
	input.request.profile in {"fapi1-advanced", "fapi-ciba"}
	input.sender.method == "dpop"
}

# Claims beside those that the protocol defines.
access_claims := {}

id_claims := {}

# What a transaction token says about the transaction ("tctx", draft-ietf-oauth-transaction-tokens-10).
transaction_context := {}

# An access token that is bound to nothing lives for an hour at most.
access_lifetime := 3600 if {
	input.sender.method == "none"
	input.token.lifetime > 3600
} else := 0

id_lifetime := 0

refresh_lifetime := 0
