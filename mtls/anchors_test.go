package mtls_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"sync"
	"testing"
	"time"

	"signet/certs"
	"signet/mtls"
)

func clock() time.Time { return now }

// anchors makes Anchors of one authority and its lists.
func anchors(t testing.TB, requireCRL bool, ca *certs.CA, crls ...[]byte) *mtls.Anchors {
	t.Helper()
	dir := t.TempDir()
	config := mtls.AnchorsConfig{CAFiles: []string{write(t, dir, "ca.pem", ca.CertPEM)}, RequireCRL: requireCRL}
	for i, crl := range crls {
		config.CRLFiles = append(config.CRLFiles, write(t, dir, fmt.Sprintf("crl%d.pem", i), crl))
	}
	a, err := mtls.NewAnchors(config, clock)
	return must(t, a, err)
}

func crl(t testing.TB, ca *certs.CA, request certs.CRLRequest) []byte {
	t.Helper()
	out, err := ca.MakeCRL(request)
	return must(t, out, err)
}

func TestVerify(t *testing.T) {
	ca, stranger := newCA(t, "CA"), newCA(t, "CA") // the same name, another key
	weak, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := anchors(t, false, ca)
	selfSigned, err := certs.SelfSigned(rand.Reader, now, certs.Request{})
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		leaf *x509.Certificate
		want error
	}{
		"good":                 {issue(t, ca, certs.Request{}).Certificate, nil},
		"good, RSA":            {issue(t, ca, certs.Request{Key: certs.RSA2048}).Certificate, nil},
		"good, Ed25519":        {issue(t, ca, certs.Request{Key: certs.Ed25519}).Certificate, nil},
		"good, both usages":    {issue(t, ca, certs.Request{EKU: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}).Certificate, nil},
		"none":                 {nil, mtls.ErrUntrusted},
		"not parsed":           {&x509.Certificate{}, mtls.ErrUntrusted},
		"another authority":    {issue(t, stranger, certs.Request{}).Certificate, mtls.ErrUntrusted},
		"self-signed":          {selfSigned.Certificate, mtls.ErrUntrusted},
		"the authority itself": {ca.Certificate, mtls.ErrUsage},
		"no usage":             {issue(t, ca, certs.Request{NoEKU: true}).Certificate, mtls.ErrUsage},
		"server usage":         {issue(t, ca, certs.Request{EKU: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}).Certificate, mtls.ErrUsage},
		"any usage":            {issue(t, ca, certs.Request{EKU: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}).Certificate, mtls.ErrUsage},
		"expired":              {issue(t, ca, certs.Request{NotBefore: now.Add(-3 * time.Hour), NotAfter: now.Add(-time.Second)}).Certificate, mtls.ErrExpired},
		"not yet valid":        {issue(t, ca, certs.Request{NotBefore: now.Add(time.Second)}).Certificate, mtls.ErrNotYetValid},
		"weak curve":           {issue(t, ca, certs.Request{Signer: weak}).Certificate, mtls.ErrWeakKey},
		"unknown critical extension": {issue(t, ca, certs.Request{Extra: []pkix.Extension{
			{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}}}}).Certificate, mtls.ErrUntrusted},
		"forbidden signatures": {issue(t, ca, certs.Request{Extra: []pkix.Extension{
			{Id: asn1.ObjectIdentifier{2, 5, 29, 15}, Critical: true, Value: []byte{3, 2, 5, 0x20}}}}).Certificate, mtls.ErrUsage},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			for range 2 { // the second time may be remembered
				if err := a.Verify(test.leaf, nil, now); !errors.Is(err, test.want) {
					t.Errorf("got %v, want %v", err, test.want)
				}
			}
		})
	}
}

// TestVerifyExpiredAuthority: a leaf in its time under an authority past its own.
func TestVerifyExpiredAuthority(t *testing.T) {
	old, err := certs.NewCA(rand.Reader, now.Add(-11*365*24*time.Hour), "Old")
	if err != nil {
		t.Fatal(err)
	}
	leaf := issue(t, old, certs.Request{NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour)}).Certificate
	if err := anchors(t, false, old).Verify(leaf, nil, now); !errors.Is(err, mtls.ErrExpired) {
		t.Errorf("got %v", err)
	}
}

// TestVerifyTime: what is remembered ends with the certificate, and does not hold before its start.
func TestVerifyTime(t *testing.T) {
	ca := newCA(t, "CA")
	list := crl(t, ca, certs.CRLRequest{ThisUpdate: now.Add(-30 * time.Minute), NextUpdate: now.Add(30 * time.Minute)})
	a := anchors(t, true, ca, list)
	leaf := issue(t, ca, certs.Request{NotBefore: now.Add(-10 * time.Minute), NotAfter: now.Add(10 * time.Minute)}).Certificate
	long := issue(t, ca, certs.Request{}).Certificate
	for _, step := range []struct {
		cert *x509.Certificate
		at   time.Duration
		want error
	}{
		{leaf, 0, nil}, {leaf, 0, nil}, {leaf, 10 * time.Minute, nil}, {leaf, 10*time.Minute + time.Second, mtls.ErrExpired},
		{leaf, -11 * time.Minute, mtls.ErrNotYetValid}, {leaf, 0, nil},
		{long, 0, nil}, {long, 30*time.Minute - time.Second, nil}, {long, 30 * time.Minute, mtls.ErrStaleCRL}, {long, -31 * time.Minute, mtls.ErrStaleCRL},
	} {
		if err := a.Verify(step.cert, nil, now.Add(step.at)); !errors.Is(err, step.want) {
			t.Errorf("at %s: got %v, want %v", step.at, err, step.want)
		}
	}
}

func TestVerifyIntermediates(t *testing.T) {
	root := newCA(t, "Root")
	middle, err := root.Intermediate("Middle")
	if err != nil {
		t.Fatal(err)
	}
	leaf := issue(t, middle, certs.Request{})
	rootCRL, middleCRL := crl(t, root, certs.CRLRequest{}), crl(t, middle, certs.CRLRequest{})
	revoked := func(serial *big.Int) certs.CRLRequest { return certs.CRLRequest{Revoked: []*big.Int{serial}} }
	tests := map[string]struct {
		require bool
		crls    [][]byte
		chain   []*x509.Certificate
		want    error
	}{
		"without lists":            {false, nil, leaf.Chain, nil},
		"the chain is missing":     {false, nil, nil, mtls.ErrUntrusted},
		"with another's beside":    {false, nil, append([]*x509.Certificate{nil, newCA(t, "X").Certificate}, leaf.Chain...), nil},
		"too long a chain":         {false, nil, slices.Repeat(leaf.Chain, 9), mtls.ErrUntrusted},
		"both lists":               {true, [][]byte{rootCRL, middleCRL}, leaf.Chain, nil},
		"the middle's is missing":  {true, [][]byte{rootCRL}, leaf.Chain, mtls.ErrNoCRL},
		"the root's is missing":    {true, [][]byte{middleCRL}, leaf.Chain, mtls.ErrNoCRL},
		"not required":             {false, [][]byte{rootCRL}, leaf.Chain, nil},
		"the leaf is revoked":      {false, [][]byte{crl(t, middle, revoked(leaf.Certificate.SerialNumber))}, leaf.Chain, mtls.ErrRevoked},
		"the middle is revoked":    {false, [][]byte{crl(t, root, revoked(middle.Certificate.SerialNumber))}, leaf.Chain, mtls.ErrRevoked},
		"the number under another": {true, [][]byte{middleCRL, crl(t, root, revoked(leaf.Certificate.SerialNumber))}, leaf.Chain, nil},
		"a forged middle's list":   {false, [][]byte{crl(t, newCA(t, "Middle"), certs.CRLRequest{})}, leaf.Chain, mtls.ErrForeignCRL},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			a := anchors(t, test.require, root, test.crls...)
			for range 2 {
				if err := a.Verify(leaf.Certificate, test.chain, now); !errors.Is(err, test.want) {
					t.Errorf("got %v, want %v", err, test.want)
				}
			}
		})
	}
}

func TestVerifyRevocation(t *testing.T) {
	ca := newCA(t, "CA")
	leaf := issue(t, ca, certs.Request{}).Certificate
	partitioned := issue(t, ca, certs.Request{Extra: []pkix.Extension{distributionPoint(t, "http://crl.example/1")}}).Certificate
	serials := []*big.Int{leaf.SerialNumber, partitioned.SerialNumber}
	expired := certs.CRLRequest{ThisUpdate: now.Add(-2 * time.Hour), NextUpdate: now.Add(-time.Hour)}
	early := certs.CRLRequest{ThisUpdate: now.Add(time.Hour), NextUpdate: now.Add(2 * time.Hour)}
	with := func(request certs.CRLRequest, extra ...pkix.Extension) []byte {
		request.Extra = extra
		return crl(t, ca, request)
	}
	tests := map[string]struct {
		crls [][]byte
		leaf *x509.Certificate
		want [2]error // without and with RequireCRL
	}{
		"missing":                     {nil, leaf, [2]error{nil, mtls.ErrNoCRL}},
		"empty":                       {[][]byte{with(certs.CRLRequest{})}, leaf, [2]error{}},
		"another is revoked":          {[][]byte{with(certs.CRLRequest{Revoked: []*big.Int{big.NewInt(7)}})}, leaf, [2]error{}},
		"revoked":                     {[][]byte{with(certs.CRLRequest{Revoked: serials})}, leaf, [2]error{mtls.ErrRevoked, mtls.ErrRevoked}},
		"expired":                     {[][]byte{with(expired)}, leaf, [2]error{mtls.ErrStaleCRL, mtls.ErrStaleCRL}},
		"not yet":                     {[][]byte{with(early)}, leaf, [2]error{mtls.ErrStaleCRL, mtls.ErrStaleCRL}},
		"expired beside a current":    {[][]byte{with(expired), with(certs.CRLRequest{})}, leaf, [2]error{}},
		"revoked on the old one":      {[][]byte{with(certs.CRLRequest{Revoked: serials, ThisUpdate: expired.ThisUpdate, NextUpdate: expired.NextUpdate}), with(certs.CRLRequest{})}, leaf, [2]error{mtls.ErrRevoked, mtls.ErrRevoked}},
		"on hold":                     {[][]byte{with(certs.CRLRequest{Entries: []x509.RevocationListEntry{{SerialNumber: leaf.SerialNumber, RevocationTime: now, ReasonCode: 6}}})}, leaf, [2]error{mtls.ErrRevoked, mtls.ErrRevoked}},
		"of users only":               {[][]byte{with(certs.CRLRequest{}, issuingPoint(t, "3003 8101ff"))}, leaf, [2]error{}},
		"of authorities only":         {[][]byte{with(certs.CRLRequest{}, issuingPoint(t, "3003 8201ff"))}, leaf, [2]error{mtls.ErrNoCRL, mtls.ErrNoCRL}},
		"its partition":               {[][]byte{with(certs.CRLRequest{}, partition(t, 1))}, partitioned, [2]error{}},
		"its partition, revoked":      {[][]byte{with(certs.CRLRequest{Revoked: serials}, partition(t, 1))}, partitioned, [2]error{mtls.ErrRevoked, mtls.ErrRevoked}},
		"another partition":           {[][]byte{with(certs.CRLRequest{}, partition(t, 2))}, partitioned, [2]error{mtls.ErrNoCRL, mtls.ErrNoCRL}},
		"a partition, no point named": {[][]byte{with(certs.CRLRequest{}, partition(t, 1))}, leaf, [2]error{mtls.ErrNoCRL, mtls.ErrNoCRL}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			for i, require := range []bool{false, true} {
				a := anchors(t, require, ca, test.crls...)
				if err := a.Verify(test.leaf, nil, now); !errors.Is(err, test.want[i]) {
					t.Errorf("require %v: got %v, want %v", require, err, test.want[i])
				}
			}
		})
	}
}

// issuingPoint is a critical IssuingDistributionPoint extension.
func issuingPoint(t *testing.T, value string) pkix.Extension {
	return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 28}, Critical: true, Value: unhex(t, value)}
}

// partition is the IssuingDistributionPoint http://crl.example/<n>.
func partition(t *testing.T, n byte) pkix.Extension {
	return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 28}, Critical: true,
		Value: append(unhex(t, "301a a018 a016 8614"), fmt.Sprintf("http://crl.example/%d", n)...)}
}

func distributionPoint(t *testing.T, uri string) pkix.Extension {
	full := asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 6, Bytes: []byte(uri)}
	type point struct {
		Name struct {
			Full []asn1.RawValue `asn1:"tag:0"`
		} `asn1:"tag:0"`
	}
	var p point
	p.Name.Full = []asn1.RawValue{full}
	return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 31}, Value: der(t, []point{p})}
}

func TestNewAnchorsRefuses(t *testing.T) {
	ca, other := newCA(t, "CA"), newCA(t, "CA")
	leaf := issue(t, ca, certs.Request{})
	damaged := slices.Clone(ca.CertPEM)
	damaged[len(damaged)/2] = '!'
	crlWith := func(extra ...pkix.Extension) []byte { return crl(t, ca, certs.CRLRequest{Extra: extra}) }
	entryWith := func(extra pkix.Extension) []byte {
		return crl(t, ca, certs.CRLRequest{Entries: []x509.RevocationListEntry{
			{SerialNumber: big.NewInt(7), RevocationTime: now, ExtraExtensions: []pkix.Extension{extra}}}})
	}
	tests := map[string]struct {
		ca, crl []byte
		want    error
	}{
		"an empty file":            {ca: nil},
		"not a certificate":        {ca: []byte("certificate")},
		"a leaf":                   {ca: leaf.CertPEM},
		"a key":                    {ca: ca.KeyPEM},
		"a damaged block":          {ca: damaged},
		"damaged behind a good":    {ca: slices.Concat(ca.CertPEM, damaged)},
		"damaged before a good":    {ca: slices.Concat(damaged, ca.CertPEM)},
		"a cut-off block":          {ca: slices.Concat(ca.CertPEM, ca.CertPEM[:100])},
		"a certificate as list":    {ca: ca.CertPEM, crl: ca.CertPEM},
		"not a list":               {ca: ca.CertPEM, crl: []byte("list")},
		"the wrong issuer's list":  {ca: ca.CertPEM, crl: crl(t, other, certs.CRLRequest{}), want: mtls.ErrForeignCRL},
		"a delta list":             {ca: ca.CertPEM, crl: crlWith(pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 27}, Critical: true, Value: []byte{2, 1, 1}})},
		"an indirect list":         {ca: ca.CertPEM, crl: crlWith(issuingPoint(t, "3003 8401ff"))},
		"a list of some reasons":   {ca: ca.CertPEM, crl: crlWith(issuingPoint(t, "3004 83020640"))},
		"users and authorities":    {ca: ca.CertPEM, crl: crlWith(issuingPoint(t, "3006 8101ff 8201ff"))},
		"a malformed point":        {ca: ca.CertPEM, crl: crlWith(issuingPoint(t, "3101ff"))},
		"a malformed point within": {ca: ca.CertPEM, crl: crlWith(issuingPoint(t, "3003 8105ff"))},
		"a relative point":         {ca: ca.CertPEM, crl: crlWith(issuingPoint(t, "3004 a002 a100"))},
		"a point without URI":      {ca: ca.CertPEM, crl: crlWith(issuingPoint(t, "3004 a002 a000"))},
		"a point's broken URI":     {ca: ca.CertPEM, crl: crlWith(issuingPoint(t, "3006 a004 a002 8605"))},
		"an indirect entry":        {ca: ca.CertPEM, crl: entryWith(pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 29}, Critical: true, Value: []byte{0x30, 0}})},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			config := mtls.AnchorsConfig{CAFiles: []string{write(t, dir, "ca", test.ca)}}
			if test.crl != nil {
				config.CRLFiles = []string{write(t, dir, "crl", test.crl)}
			}
			_, err := mtls.NewAnchors(config, clock)
			if !errors.Is(err, mtls.ErrFiles) || test.want != nil && !errors.Is(err, test.want) {
				t.Errorf("got %v", err)
			}
		})
	}
	if _, err := mtls.NewAnchors(mtls.AnchorsConfig{CRLFiles: []string{"/nowhere/crl.pem"}}, clock); !errors.Is(err, mtls.ErrFiles) {
		t.Errorf("a missing file: %v", err)
	}
}

// TestNewAnchorsTakes: DER, several blocks, text between them, two keys of one authority, and nobody at all.
func TestNewAnchorsTakes(t *testing.T) {
	old, young := newCA(t, "CA"), newCA(t, "CA")
	block, _ := pem.Decode(crl(t, old, certs.CRLRequest{}))
	dir := t.TempDir()
	a, err := mtls.NewAnchors(mtls.AnchorsConfig{
		CAFiles: []string{
			write(t, dir, "old.der", old.Certificate.Raw),
			write(t, dir, "young.pem", slices.Concat([]byte("issued to: CA\n"), young.CertPEM, []byte("\n# another\n"), newCA(t, "X").CertPEM)),
		},
		CRLFiles:   []string{write(t, dir, "old.crl", block.Bytes), write(t, dir, "young.crl", crl(t, young, certs.CRLRequest{}))},
		RequireCRL: true,
	}, clock)
	if err != nil {
		t.Fatal(err)
	}
	for _, ca := range []*certs.CA{old, young} {
		if err := a.Verify(issue(t, ca, certs.Request{}).Certificate, nil, now); err != nil {
			t.Error(err)
		}
	}
	nobody, err := mtls.NewAnchors(mtls.AnchorsConfig{}, clock)
	if err != nil || nobody.Health() != nil {
		t.Fatal(err, nobody.Health())
	}
	if err := nobody.Verify(issue(t, old, certs.Request{}).Certificate, nil, now); !errors.Is(err, mtls.ErrUntrusted) {
		t.Errorf("nobody is trusted, but: %v", err)
	}
}

func TestAnchorsReload(t *testing.T) {
	ca, next, dir := newCA(t, "CA"), newCA(t, "Next"), t.TempDir()
	leaf := issue(t, ca, certs.Request{}).Certificate
	caFile, crlFile := write(t, dir, "ca.pem", ca.CertPEM), write(t, dir, "crl.pem", crl(t, ca, certs.CRLRequest{}))
	a, err := mtls.NewAnchors(mtls.AnchorsConfig{CAFiles: []string{caFile}, CRLFiles: []string{crlFile}, RequireCRL: true}, clock)
	if err != nil {
		t.Fatal(err)
	}
	reload := func(wantChanged, wantError bool, wantVerify error) {
		t.Helper()
		changed, err := a.Reload()
		if changed != wantChanged || (err != nil) != wantError || (a.Health() != nil) != wantError {
			t.Errorf("reload: %v, %v; health %v", changed, err, a.Health())
		}
		if err := a.Verify(leaf, nil, now); !errors.Is(err, wantVerify) {
			t.Errorf("verify: got %v, want %v", err, wantVerify)
		}
	}
	reload(false, false, nil)
	write(t, dir, "ca.pem", []byte("broken"))
	reload(false, true, nil) // the old set stays
	write(t, dir, "ca.pem", ca.CertPEM)
	reload(false, false, nil)
	write(t, dir, "crl.pem", crl(t, next, certs.CRLRequest{}))
	reload(true, false, mtls.ErrNoCRL)
	write(t, dir, "crl.pem", crl(t, ca, certs.CRLRequest{Revoked: []*big.Int{leaf.SerialNumber}, Number: 2}))
	reload(true, false, mtls.ErrRevoked) // what was remembered is forgotten
	write(t, dir, "crl.pem", crl(t, ca, certs.CRLRequest{Number: 3}))
	reload(true, false, nil)
	write(t, dir, "ca.pem", next.CertPEM)
	reload(true, false, mtls.ErrUntrusted)
}

func TestAnchorsHealth(t *testing.T) {
	ca, at := newCA(t, "CA"), now
	dir := t.TempDir()
	config := mtls.AnchorsConfig{CAFiles: []string{write(t, dir, "ca", ca.CertPEM)}}
	anchorsOnly, err := mtls.NewAnchors(config, func() time.Time { return at })
	if err != nil {
		t.Fatal(err)
	}
	config.CRLFiles = []string{write(t, dir, "crl", crl(t, ca, certs.CRLRequest{NextUpdate: now.Add(time.Hour)}))}
	listed, err := mtls.NewAnchors(config, func() time.Time { return at })
	if err != nil {
		t.Fatal(err)
	}
	if anchorsOnly.Health() != nil || listed.Health() != nil {
		t.Error(anchorsOnly.Health(), listed.Health())
	}
	at = now.Add(time.Hour)
	if anchorsOnly.Health() != nil || !errors.Is(listed.Health(), mtls.ErrFiles) {
		t.Error(anchorsOnly.Health(), listed.Health())
	}
	at = ca.Certificate.NotAfter.Add(time.Second)
	if !errors.Is(anchorsOnly.Health(), mtls.ErrFiles) {
		t.Error("expired anchors are healthy")
	}
}

// TestVerifyWhileReloading: verifications see the old set or the new one, never none.
func TestVerifyWhileReloading(t *testing.T) {
	ca, dir := newCA(t, "CA"), t.TempDir()
	file := write(t, dir, "ca.pem", ca.CertPEM)
	a, err := mtls.NewAnchors(mtls.AnchorsConfig{CAFiles: []string{file}}, clock)
	if err != nil {
		t.Fatal(err)
	}
	leaf := issue(t, ca, certs.Request{}).Certificate
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 300 {
				if err := a.Verify(leaf, nil, now); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range 50 {
		write(t, dir, "ca.pem", append(slices.Clone(ca.CertPEM), fmt.Sprintf("# %d\n", i)...))
		if changed, err := a.Reload(); !changed || err != nil {
			t.Error(changed, err)
		}
	}
	group.Wait()
}

func BenchmarkVerify(b *testing.B) {
	root := newCA(b, "Root")
	middle, err := root.Intermediate("Middle")
	if err != nil {
		b.Fatal(err)
	}
	leaf := issue(b, middle, certs.Request{QC: &mtls.PSD2{Roles: []string{"PSP_AI"}, AuthorityName: "BaFin", AuthorityID: "DE-BAFIN"}})
	a := anchors(b, true, root, crl(b, root, certs.CRLRequest{}), crl(b, middle, certs.CRLRequest{}))
	run := func(name string, cert *x509.Certificate, chain []*x509.Certificate) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := a.Verify(cert, chain, now); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
	run("standing connection", leaf.Certificate, leaf.Chain)
	again, err := x509.ParseCertificate(leaf.Certificate.Raw)
	if err != nil {
		b.Fatal(err)
	}
	run("new connection", again, leaf.Chain)
	b.Run("first time", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			fresh := anchors(b, true, root, crl(b, root, certs.CRLRequest{}), crl(b, middle, certs.CRLRequest{}))
			b.StartTimer()
			if err := fresh.Verify(leaf.Certificate, leaf.Chain, now); err != nil {
				b.Fatal(err)
			}
		}
	})
}
