package policy

import (
	"context"
	"crypto/rand"
	"syscall"
	"testing"
	"time"
)

// BenchmarkDecide reports CPU time as well, because wall time says little on a machine that others use.
func BenchmarkDecide(b *testing.B) { benchmarkDecide(b, "") }

// BenchmarkDecidePSD2 is the price of a replaced package and an addition.
func BenchmarkDecidePSD2(b *testing.B) { benchmarkDecide(b, "examples/psd2") }

func benchmarkDecide(b *testing.B, directory string) {
	e, err := New(context.Background(), Options{Directory: directory, Clock: time.Now, Random: rand.Reader})
	if err != nil {
		b.Fatal(err)
	}
	for _, s := range samples(time.Now()) {
		b.Run(s.name, func(b *testing.B) {
			b.ReportAllocs()
			before := cpuTime(b)
			for b.Loop() {
				if _, err := e.Decide(b.Context(), s.input); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N), "cpu-ns/op")
		})
	}
}

func BenchmarkInputValue(b *testing.B) {
	input := samples(time.Now())[0].input
	b.ReportAllocs()
	before := cpuTime(b)
	for b.Loop() {
		input.value()
	}
	b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N), "cpu-ns/op")
}

func cpuTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
