package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"

	"signet/certs"
	"signet/provider"
	"signet/provider/oauth"
)

// prepareFiles makes what is missing in the folder: certificates, passphrase, configuration, password.
func (d *demonstration) prepareFiles() error {
	if err := os.MkdirAll(d.path("clients"), 0o700); err != nil {
		return err
	}
	p := progress{out: d.err, clock: d.clock}
	for _, step := range []struct {
		what string
		do   func() (string, error)
	}{
		{"development certificates (RSA takes a moment)", d.ensureCertificates},
		{"passphrase of the signing keys", func() (string, error) {
			_, made, err := d.ensureSecret("passphrase")
			return madeOrKept(made), err
		}},
		{"configuration " + d.path("signet.yaml"), d.ensureConfig},
		{"password of the user alice", func() (remark string, err error) {
			password, made, err := d.ensureSecret("alice.password")
			d.password = password
			return madeOrKept(made), err
		}},
	} {
		if err := p.step(step.what, step.do); err != nil {
			return err
		}
	}
	return nil
}

func madeOrKept(made bool) string {
	if made {
		return "made"
	}
	return "kept"
}

func (d *demonstration) ensureCertificates() (string, error) {
	report, err := certs.Ensure(certs.Spec{Dir: d.path("pki"), Now: d.clock(), Random: d.random})
	if err != nil {
		return "", err
	}
	if made := len(report.Made()); made > 0 {
		return fmt.Sprintf("%d made", made), nil
	}
	return "kept", nil
}

// ensureSecret keeps a secret in a file that only this account can read.
func (d *demonstration) ensureSecret(name string) (secret string, made bool, err error) {
	file := d.path(name)
	if _, err := os.Stat(file); err == nil {
		secret, err = d.readSecret(file)
		return secret, false, err
	}
	fresh, err := oauth.NewID(d.random) // 128 bits: short enough to type
	if err != nil {
		return "", false, err
	}
	return fresh, true, os.WriteFile(file, []byte(fresh+"\n"), 0o600)
}

// ensureConfig writes the commented example when there is none, and reads the ports of what is there.
func (d *demonstration) ensureConfig() (string, error) {
	file := d.path("signet.yaml")
	remark := "kept"
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		text, err := renderExample(d.o.ports)
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(file, text, 0o600); err != nil {
			return "", err
		}
		remark = "made"
	}
	config, err := provider.LoadConfig(file)
	if err != nil {
		return "", next(err, "correct it, or remove the folder %s to start afresh", d.o.dir)
	}
	if d.o.policyDir != "" {
		config.Policy.Directory = d.o.policyDir
	}
	d.config = config
	if d.ports, err = portsOf(config, d.o.ports.Callback); err != nil {
		return "", next(err, "the demonstration needs the addresses as \"signet config example\" has them")
	}
	if d.o.explicitPorts && d.ports != d.o.ports {
		return "", next(fmt.Errorf("%s has other addresses than the flags", file), "edit it, or give another --dir")
	}
	return remark, nil
}

// portsOf reads back what renderExample wrote.
func portsOf(config provider.Config, callback int) (p ports, err error) {
	resource, err := url.Parse(config.Resources[0].ID)
	if err != nil {
		return p, err
	}
	p = ports{Callback: callback}
	if p.Host, _, err = net.SplitHostPort(config.Main.Listen); err != nil {
		return p, err
	}
	for _, one := range []struct {
		address string
		into    *int
	}{
		{config.Main.Listen, &p.Main}, {config.MTLS.Listen, &p.MTLS},
		{config.Operations.Listen, &p.Operations}, {resource.Host, &p.Resource},
	} {
		_, port, err := net.SplitHostPort(one.address)
		if err != nil {
			return p, err
		}
		if *one.into, err = strconv.Atoi(port); err != nil {
			return p, err
		}
	}
	return p, nil
}

// writeClientFile keeps what "signet token" needs to play the client. Paths in it are relative to it.
func (d *demonstration) writeClientFile(id string, settings clientSettings) error {
	for _, path := range []*string{&settings.CA, &settings.Key, &settings.Certificate, &settings.CertificateKey, &settings.DPoPKey} {
		if *path == "" {
			continue
		}
		relative, err := filepath.Rel(d.path("clients"), *path)
		if err != nil {
			return err
		}
		*path = relative
	}
	raw, err := json.MarshalIndent(settings, "", "  ") //nolint:gosec // the file is for this secret, with mode 0600
	if err != nil {
		return err
	}
	return os.WriteFile(d.path("clients", id+".json"), append(raw, '\n'), 0o600)
}
