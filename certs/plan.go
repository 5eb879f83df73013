package certs

import (
	"crypto/x509"
	"crypto/x509/pkix"

	"signet/mtls"
)

// planned is one certificate of the folder; its files are name.pem and name-key.pem.
type planned struct {
	name       string
	purpose    string
	selfSigned bool
	request    Request
}

// plan is what the folder holds beside the authority and its revocation list.
func plan(hosts []string) []planned {
	names, addresses := splitHosts(hosts)
	return []planned{
		{name: "server", purpose: "both doors and the sample resource server", request: Request{
			Subject: pkix.Name{CommonName: hosts[0]}, DNSNames: names, IPs: addresses, Key: RSA2048,
			EKU: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}},
		{name: "client-tls", purpose: "a client of tls_client_auth", request: Request{
			Subject: pkix.Name{CommonName: "demo-tls"}}},
		{name: "client-tls-other", purpose: "another valid client: its tokens are not the first one's", request: Request{
			Subject: pkix.Name{CommonName: "demo-tls-other"}}},
		{name: "client-selfsigned", purpose: "a client of self_signed_tls_client_auth", selfSigned: true, request: Request{
			Subject: pkix.Name{CommonName: "demo-selfsigned"}}},
		tpp("tpp-aisp", "account information provider (PSP_AI)", "Demo Account Information GmbH", "PSDDE-BAFIN-123456",
			mtls.RoleAccountInformation),
		tpp("tpp-pisp", "payment initiation provider (PSP_PI)", "Demo Payment Initiation GmbH", "PSDDE-BAFIN-123457",
			mtls.RolePaymentInitiation),
		tpp("tpp-both", "provider of both services (PSP_PI, PSP_AI)", "Demo Third Party GmbH", "PSDDE-BAFIN-123458",
			mtls.RolePaymentInitiation, mtls.RoleAccountInformation),
	}
}

// tpp is a certificate with the contents of a QWAC (ETSI TS 119 495), without its legal standing.
func tpp(name, purpose, organization, organizationID string, roles ...string) planned {
	return planned{name: name, purpose: purpose, request: Request{
		Subject: pkix.Name{
			Country: []string{"DE"}, Organization: []string{organization}, CommonName: name + ".example",
		},
		OrganizationID: organizationID, DNSNames: []string{name + ".example"}, Key: RSA2048,
		EKU: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		QC:  &mtls.PSD2{Roles: roles, AuthorityName: "Federal Financial Supervisory Authority", AuthorityID: "DE-BAFIN"},
	}}
}
