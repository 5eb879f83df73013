package mtls

import (
	"crypto/x509"
	"encoding/binary"
	"hash/maphash"
	"sync"
	"testing"
	"time"
)

// TestMemoIsBounded: whatever clients send, what is remembered stays below its limit, and the room is used.
func TestMemoIsBounded(t *testing.T) {
	now := time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)
	m := memo{seed: maphash.MakeSeed()}
	var group sync.WaitGroup
	for worker := range 4 {
		group.Go(func() {
			for i := range maxRemembered {
				cert := &x509.Certificate{Raw: binary.BigEndian.AppendUint64(nil, uint64(worker*maxRemembered+i))} //nolint:gosec // small
				m.add(m.key(cert, nil), &remembered{leaf: cert, window: window{now, now}})
			}
		})
	}
	group.Wait()
	entries := 0
	m.entries.Range(func(any, any) bool { entries++; return true })
	if entries != maxRemembered || int64(entries) != m.count.Load() {
		t.Errorf("%d entries, counted %d", entries, m.count.Load())
	}
}

// TestMemoCompares: the hash finds, the certificates decide.
func TestMemoCompares(t *testing.T) {
	now := time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)
	m := memo{seed: maphash.MakeSeed()}
	a, b := &x509.Certificate{Raw: []byte("a")}, &x509.Certificate{Raw: []byte("b")}
	key := m.key(a, []*x509.Certificate{b})
	m.add(key, &remembered{leaf: a, intermediates: []*x509.Certificate{b}, window: window{now, now.Add(time.Hour)}})
	if !m.holds(key, &x509.Certificate{Raw: []byte("a")}, []*x509.Certificate{b}, now) {
		t.Error("an equal question is not remembered")
	}
	for name, held := range map[string]bool{
		"another leaf":      m.holds(key, b, []*x509.Certificate{b}, now),
		"another chain":     m.holds(key, a, []*x509.Certificate{a}, now),
		"no chain":          m.holds(key, a, nil, now),
		"nothing in it":     m.holds(key, a, []*x509.Certificate{nil}, now),
		"before its time":   m.holds(key, a, []*x509.Certificate{b}, now.Add(-time.Second)),
		"after its time":    m.holds(key, a, []*x509.Certificate{b}, now.Add(2*time.Hour)),
		"another key of it": m.holds(key+1, a, []*x509.Certificate{b}, now),
	} {
		if held {
			t.Errorf("%s: remembered", name)
		}
	}
}
