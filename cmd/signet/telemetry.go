package main

import (
	"context"
	"log/slog"
	"maps"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"signet/mtls"
	"signet/provider"
	"signet/provider/keys"
	"signet/provider/telemetry"
)

// version is set by the linker: -ldflags "-X main.version=...". Without, the build's own stamp is used.
var version string

// openTelemetry starts measuring.
func openTelemetry(ctx context.Context, config provider.Config, s system, log *slog.Logger) (*telemetry.Telemetry, error) {
	traces := config.Telemetry.Traces
	instance, err := os.Hostname()
	if err != nil {
		instance = config.Main.Listen
	}
	t, err := telemetry.New(ctx, telemetry.Options{
		Clock: s.clock, Log: log, Version: programVersion(), Instance: instance,
		Traces: telemetry.Traces{Endpoint: traces.Endpoint, CAFile: traces.CAFile, SampleRatio: traces.SampleRatio},
	})
	if err != nil {
		return nil, next(err, "check telemetry.traces")
	}
	return t, nil
}

// programVersion tells builds apart: replicas that run different ones show in the metrics.
func programVersion() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	text := info.Main.Version
	for _, setting := range info.Settings {
		switch {
		case setting.Key == "vcs.revision":
			text += " " + setting.Value[:min(len(setting.Value), 12)]
		case setting.Key == "vcs.modified" && setting.Value == "true":
			text += " modified"
		}
	}
	return strings.TrimSpace(text)
}

// measure makes what is read at each scrape exist: of every part that is in use, and of no other.
func (h *house) measure(certificates map[string]*mtls.Reloader, checks *provider.Checks) {
	t := h.telemetry
	t.Sample(telemetry.Build, func(emit telemetry.Emit) { emit(1, programVersion()) })
	t.Sample(telemetry.Backends, func(emit telemetry.Emit) {
		scheme, _, _ := strings.Cut(h.config.Store.DSN, ":")
		emit(1, scheme, string(h.config.Keys.Backend))
	})
	t.Sample(telemetry.PolicyRevision, func(emit telemetry.Emit) { emit(1, h.policy.Revision()) })
	t.Sample(telemetry.CertificateExpiry, func(emit telemetry.Emit) {
		for listener, certificate := range certificates {
			if pair, err := certificate.GetCertificate(nil); err == nil {
				emit(seconds(pair.Leaf.NotAfter), listener)
			}
		}
	})
	provider.SampleReadiness(t, checks)
	measureKeys(t, h.keys.List, h.config.Keys.RotateEvery)
	if vault := h.keys.vault; vault != nil {
		measureBreaker(t, vault.State)
	}
	for name, value := range h.numbers() {
		t.SampleValue(name, func() float64 { return float64(value()) })
	}
}

// certificates are those in service, by listener.
func (d *doors) certificates(of doorCertificates) map[string]*mtls.Reloader {
	all := map[string]*mtls.Reloader{"main": of.main, "mtls": of.mtls}
	if d.operations != nil {
		all["operations"] = d.operations.certificate
	}
	return all
}

// numbers are the metrics without labels.
func (h *house) numbers() map[telemetry.Name]func() int64 {
	s := h.store
	numbers := map[telemetry.Name]func() int64{
		telemetry.StoreCommits:       func() int64 { return s.Stats().Commits },
		telemetry.StoreTransactions:  func() int64 { return s.Stats().Transactions },
		telemetry.StoreConflicts:     func() int64 { return s.Stats().Conflicts },
		telemetry.StoreRetries:       func() int64 { return s.Stats().Retries },
		telemetry.StoreReconnects:    func() int64 { return s.Stats().Reconnects },
		telemetry.ClientCacheHits:    func() int64 { return s.Stats().ClientHits },
		telemetry.ClientCacheMisses:  func() int64 { return s.Stats().ClientMisses },
		telemetry.StoreQueue:         func() int64 { return int64(s.Stats().Queue) },
		telemetry.AuditSpool:         func() int64 { used, _ := h.audit.Size(); return used },
		telemetry.AuditSpoolCapacity: func() int64 { _, capacity := h.audit.Size(); return capacity },
	}
	if b := h.keys.transit; b != nil {
		maps.Copy(numbers, map[telemetry.Name]func() int64{
			telemetry.TransitSignatures: func() int64 { return b.Stats().Signatures },
			telemetry.TransitBatches:    func() int64 { return b.Stats().Batches },
			telemetry.TransitItems:      func() int64 { return b.Stats().Items },
			telemetry.TransitFailures:   func() int64 { return b.Stats().Failures },
		})
	}
	return numbers
}

func measureKeys(t *telemetry.Telemetry, list func() []keys.Info, rotateEvery time.Duration) {
	active := func(emit telemetry.Emit, after time.Duration) {
		for _, key := range list() {
			if key.State == keys.Active {
				emit(seconds(key.ActivatesAt.Add(after)), key.Alg)
			}
		}
	}
	t.Sample(telemetry.KeyActiveSince, func(emit telemetry.Emit) { active(emit, 0) })
	if rotateEvery > 0 {
		t.Sample(telemetry.KeyRotationDue, func(emit telemetry.Emit) { active(emit, rotateEvery) })
	}
	t.Sample(telemetry.KeyNextActivation, func(emit telemetry.Emit) {
		known := map[string]bool{}
		for _, key := range list() { // by algorithm, oldest first
			if key.State == keys.Next && !known[key.Alg] {
				known[key.Alg] = true
				emit(seconds(key.ActivatesAt), key.Alg)
			}
		}
	})
	t.Sample(telemetry.KeysPublished, func(emit telemetry.Emit) {
		counts := map[keys.Info]int{}
		for _, key := range list() {
			counts[keys.Info{Alg: key.Alg, State: key.State}]++
		}
		for of, n := range counts {
			emit(float64(n), of.Alg, string(of.State))
		}
	})
}

func measureBreaker(t *telemetry.Telemetry, state func() string) {
	t.Sample(telemetry.VaultBreaker, func(emit telemetry.Emit) {
		now := state()
		for _, possible := range []string{"closed", "half-open", "open"} {
			value := 0.0
			if possible == now {
				value = 1
			}
			emit(value, possible)
		}
	})
}

// seconds is a time as Prometheus counts it.
func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
