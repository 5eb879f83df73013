# METADATA
# title: May the token be issued, with which claims and lifetimes?
# description: Lifetimes are whole seconds; 0 leaves the default of the resource server or the instance.
package signet.token

# FAPI 2.0 Security Profile section 5.3.2.1 item 4: no access token that anybody could use.
deny contains {
	"rule": "token.not_bound",
	"error": "invalid_request",
	"text": "the security profile requires a TLS client certificate to bind the access token to",
} if {
	input.request.profile == "fapi2-security"
	input.certificate == null
}

# Claims beside those that the protocol defines.
access_claims := {}

id_claims := {}

# An access token that is bound to nothing lives for an hour at most.
access_lifetime := 3600 if {
	input.certificate == null
	input.token.lifetime > 3600
} else := 0

id_lifetime := 0

refresh_lifetime := 0
