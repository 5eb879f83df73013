package main

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"signet/certs"
	"signet/mtls"
)

func (c *console) certsCommand() *cobra.Command {
	return noun("certs", "Development certificates: init, issue", c.certsInitCommand(), c.certsIssueCommand())
}

func (c *console) certsInitCommand() *cobra.Command {
	var hosts []string
	cmd := &cobra.Command{
		Use:   "init DIR",
		Short: "Make a development PKI: CA, revocation list, server and client certificates",
		Long: `Makes what is missing or about to expire in DIR and lists what is there. For development and tests
only: the CA's key lies beside its certificate.`,
		Example: "  signet certs init .signet/pki\n  signet certs init /tmp/pki --host login.test --host 127.0.0.1",
		Args:    exactArgs("DIR"),
		RunE: func(_ *cobra.Command, args []string) error {
			report, err := certs.Ensure(certs.Spec{
				Dir: args[0], Now: c.clock(), Random: c.random, Hosts: hosts,
				Progress: func(file, reason string) { c.note("making %s (%s)", file, reason) },
			})
			if err != nil {
				return err
			}
			var rows []table.Row
			for _, f := range report.Files {
				rows = append(rows, table.Row{f.Name, f.Purpose, f.Subject, when(f.NotAfter), yesNo(f.Made)})
			}
			return c.show(report, table.Row{"file", "for", "subject", "valid until", "made now"}, rows)
		},
	}
	cmd.Flags().StringArrayVar(&hosts, "host", nil, "name or address in the server certificate; repeatable (default: localhost, 127.0.0.1, ::1)")
	return cmd
}

// issueOptions are the flags of "signet certs issue".
type issueOptions struct {
	commonName, organization, organizationID, country string
	dns, uris, ips, emails, roles                     []string
	authorityName, authorityID                        string
	server, rsa                                       bool
	valid                                             time.Duration
}

func (c *console) certsIssueCommand() *cobra.Command {
	var o issueOptions
	cmd := &cobra.Command{
		Use:   "issue DIR NAME",
		Short: "Issue a further client certificate from a development CA",
		Long: `Issues DIR/NAME.pem and DIR/NAME-key.pem (mode 0600) from the CA that "signet certs init" made in DIR.
With --psd2-role the certificate carries the QCStatements of ETSI TS 119 495, like a QWAC. An
existing file is never overwritten.`,
		Example: `  signet certs issue .signet/pki shop --dns shop.example
  signet certs issue .signet/pki tpp --organization "TPP GmbH" --organization-id PSDDE-BAFIN-1 --psd2-role PSP_AI`,
		Args: exactArgs("DIR", "NAME"),
		RunE: func(_ *cobra.Command, args []string) error { return c.issueCertificate(args[0], args[1], o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.commonName, "cn", "", "common name (default: NAME)")
	f.StringVar(&o.organization, "organization", "", "organisation name")
	f.StringVar(&o.organizationID, "organization-id", "", "organizationIdentifier, e.g. PSDDE-BAFIN-123456")
	f.StringVar(&o.country, "country", "", "country, e.g. DE")
	f.StringArrayVar(&o.dns, "dns", nil, "DNS name; repeatable")
	f.StringArrayVar(&o.uris, "uri", nil, "URI; repeatable")
	f.StringArrayVar(&o.ips, "ip", nil, "IP address; repeatable")
	f.StringArrayVar(&o.emails, "email", nil, "e-mail address; repeatable")
	f.StringArrayVar(&o.roles, "psd2-role", nil, "PSP_AS, PSP_PI, PSP_AI or PSP_IC; repeatable")
	f.StringVar(&o.authorityName, "authority", "Federal Financial Supervisory Authority", "with --psd2-role: the competent authority")
	f.StringVar(&o.authorityID, "authority-id", "DE-BAFIN", "with --psd2-role: its identifier")
	f.BoolVar(&o.server, "server", false, "a server's certificate instead of a client's")
	f.BoolVar(&o.rsa, "rsa", false, "an RSA key of 2048 bits instead of P-256")
	f.DurationVar(&o.valid, "valid", 397*24*time.Hour, "how long it is valid")
	return cmd
}

func (c *console) issueCertificate(dir, name string, o issueOptions) error {
	if name == "" || name != filepath.Base(name) || strings.HasPrefix(name, ".") {
		return fmt.Errorf("NAME %q must be a plain file name", name)
	}
	ca, err := certs.LoadCA(dir, c.clock(), c.random)
	if err != nil {
		return next(err, "make the CA first: signet certs init %s", dir)
	}
	leaf, err := ca.Issue(o.request(name, c.clock()))
	if err != nil {
		return err
	}
	certificate, key := filepath.Join(dir, name+".pem"), filepath.Join(dir, name+"-key.pem")
	if err := errors.Join(writeNew(key, leaf.KeyPEM, 0o600), writeNew(certificate, leaf.CertPEM, 0o644)); err != nil {
		return next(err, "choose another NAME: an existing certificate is not overwritten")
	}
	subject, err := mtls.DNOf(leaf.Certificate)
	if err != nil {
		return err
	}
	issued := map[string]string{
		"certificate": certificate, "key": key, "subject": subject.String(),
		"x5t#S256": mtls.Thumbprint(leaf.Certificate), "valid_until": when(leaf.Certificate.NotAfter),
	}
	return c.showPairs(issued, [2]string{"certificate", certificate}, [2]string{"key", key},
		[2]string{"subject", issued["subject"]}, [2]string{"x5t#S256", issued["x5t#S256"]}, [2]string{"valid until", issued["valid_until"]})
}

func (o issueOptions) request(name string, now time.Time) certs.Request {
	r := certs.Request{
		Subject: pkix.Name{CommonName: o.commonName}, OrganizationID: o.organizationID,
		DNSNames: o.dns, URIs: o.uris, IPs: o.ips, Emails: o.emails, NotAfter: now.Add(o.valid),
	}
	if o.commonName == "" {
		r.Subject.CommonName = name
	}
	if o.organization != "" {
		r.Subject.Organization = []string{o.organization}
	}
	if o.country != "" {
		r.Subject.Country = []string{o.country}
	}
	if len(o.roles) > 0 {
		r.QC = &mtls.PSD2{Roles: o.roles, AuthorityName: o.authorityName, AuthorityID: o.authorityID}
	}
	if o.server {
		r.EKU = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}
	if o.rsa {
		r.Key = certs.RSA2048
	}
	return r
}

// writeNew writes a file that must not exist yet.
func writeNew(name string, data []byte, mode os.FileMode) error {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode) //nolint:gosec // the user names the folder
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	return errors.Join(err, file.Close())
}
