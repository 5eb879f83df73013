package file_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"signet/provider/keys"
	"signet/provider/keys/file"
	"signet/provider/keys/keystest"
)

const passphrase = "correct horse battery staple"

// options makes a passphrase file and names a directory that does not exist yet.
func options(t *testing.T) file.Options {
	t.Helper()
	directory := t.TempDir()
	phrase := filepath.Join(directory, "passphrase")
	write(t, phrase, []byte(passphrase+"\n"))
	return file.Cheap(file.Options{
		Directory: filepath.Join(directory, "keys"), PassphraseFile: phrase, RSABits: 2048,
		Random: rand.Reader, Log: slog.New(slog.DiscardHandler),
	})
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil { //nolint:gosec // a test's own directory
		t.Fatal(err)
	}
}

func open(t *testing.T, opt file.Options) *file.Backend {
	t.Helper()
	b, err := file.Open(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestContract(t *testing.T) {
	keystest.Run(t, func(t *testing.T) keys.Backend { return open(t, options(t)) })
	keystest.RunShared(t, func(t *testing.T) (keys.Backend, keys.Backend) {
		opt := options(t)
		return open(t, opt), open(t, opt)
	})
}

// made returns the options of a directory that has one key, and the path of the key's file.
func made(t *testing.T) (file.Options, string) {
	t.Helper()
	opt := options(t)
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	key, err := open(t, opt).Create(t.Context(), keys.Spec{Alg: "ES256", CreatedAt: now, ActivatesAt: now})
	if err != nil {
		t.Fatal(err)
	}
	return opt, filepath.Join(opt.Directory, key.Kid+".key.json")
}

func TestReopened(t *testing.T) {
	opt, path := made(t)
	list, err := open(t, opt).Keys(t.Context())
	if err != nil || len(list) != 1 || list[0].Kid+".key.json" != filepath.Base(path) {
		t.Fatalf("got %v, %v", list, err)
	}
}

func TestNothingReadable(t *testing.T) {
	opt, _ := made(t)
	entries, err := os.ReadDir(opt.Directory)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			t.Fatal(err)
		}
		if mode := info.Mode().Perm(); entry.Name() != "lock" && mode != 0o600 {
			t.Errorf("%s has mode %o", entry.Name(), mode)
		}
		raw, err := os.ReadFile(filepath.Join(opt.Directory, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(raw, []byte(passphrase)) || bytes.Contains(raw, []byte("PRIVATE KEY")) {
			t.Errorf("%s shows a secret", entry.Name())
		}
	}
	if info, err := os.Stat(opt.Directory); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("directory: %v, %v", info.Mode(), err)
	}
}

func TestRefusesToOpen(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, opt *file.Options, key string){
		"wrong passphrase": func(t *testing.T, opt *file.Options, _ string) {
			write(t, opt.PassphraseFile, []byte("incorrect horse battery staple"))
		},
		"short passphrase": func(t *testing.T, opt *file.Options, _ string) { write(t, opt.PassphraseFile, []byte("short\n")) },
		"two lines": func(t *testing.T, opt *file.Options, _ string) {
			write(t, opt.PassphraseFile, []byte(passphrase+"\nanother line\n"))
		},
		"no passphrase": func(_ *testing.T, opt *file.Options, _ string) { opt.PassphraseFile += ".missing" },
		"lost data key": func(t *testing.T, opt *file.Options, _ string) {
			if err := os.Remove(filepath.Join(opt.Directory, "data-key.json")); err != nil {
				t.Fatal(err)
			}
		},
		"data key of another": func(t *testing.T, opt *file.Options, _ string) {
			other, _ := made(t)
			copyFile(t, filepath.Join(other.Directory, "data-key.json"), filepath.Join(opt.Directory, "data-key.json"))
		},
		"weak derivation":  replace("data-key.json", `"memory_kib": 8192`, `"memory_kib": 8`),
		"foreign data key": replace("data-key.json", "signet data key 1", "signet data key 9"),
		"empty key file":   func(t *testing.T, _ *file.Options, key string) { write(t, key, nil) },
		"changed fact":     replaceKey("12:00:00Z", "13:00:00Z"),
		"changed alg":      replaceKey("ES256", "EdDSA"),
		"renamed key": func(t *testing.T, opt *file.Options, key string) {
			if err := os.Rename(key, filepath.Join(opt.Directory, "other.key.json")); err != nil {
				t.Fatal(err)
			}
		},
		"too small RSA": func(_ *testing.T, opt *file.Options, _ string) { opt.RSABits = 1024 },
		"no directory":  func(_ *testing.T, opt *file.Options, _ string) { opt.Directory = "" },
	} {
		t.Run(name, func(t *testing.T) {
			opt, key := made(t)
			spoil(t, &opt, key)
			_, err := file.Open(t.Context(), opt)
			if err == nil {
				t.Fatal("opened")
			}
			if strings.Contains(err.Error(), "horse") {
				t.Errorf("the error shows the passphrase: %v", err)
			}
		})
	}
}

func replace(name, from, to string) func(*testing.T, *file.Options, string) {
	return func(t *testing.T, opt *file.Options, _ string) { edit(t, filepath.Join(opt.Directory, name), from, to) }
}

func replaceKey(from, to string) func(*testing.T, *file.Options, string) {
	return func(t *testing.T, _ *file.Options, key string) { edit(t, key, from, to) }
}

func edit(t *testing.T, path, from, to string) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(raw, []byte(from)) || !json.Valid(raw) {
		t.Fatalf("%s has no %q:\n%s", path, from, raw)
	}
	write(t, path, bytes.ReplaceAll(raw, []byte(from), []byte(to)))
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Clean(from))
	if err != nil {
		t.Fatal(err)
	}
	write(t, to, raw)
}

// TestBadFileLater: a damaged file fails the whole listing, and what is loaded keeps signing.
func TestBadFileLater(t *testing.T) {
	opt, _ := made(t)
	b := open(t, opt)
	list, err := b.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(opt.Directory, "damaged.key.json"), []byte("{}"))
	if _, err := b.Keys(t.Context()); err == nil {
		t.Error("a damaged file was overlooked")
	}
	if _, err := b.Sign(t.Context(), list[0].Kid, "ES256", []byte("a.b")); err != nil {
		t.Errorf("signing: %v", err)
	}
}

func TestLeftoversGo(t *testing.T) {
	opt, _ := made(t)
	leftover := filepath.Join(opt.Directory, ".new-123")
	write(t, leftover, []byte("half a fi"))
	open(t, opt)
	if _, err := os.Stat(leftover); !os.IsNotExist(err) {
		t.Errorf("the leftover of a crash is still there: %v", err)
	}
}

func BenchmarkRingSign(b *testing.B) {
	directory := b.TempDir()
	phrase := filepath.Join(directory, "passphrase")
	if err := os.WriteFile(phrase, []byte(passphrase), 0o600); err != nil {
		b.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	backend, err := file.Open(context.Background(), file.Options{
		Directory: filepath.Join(directory, "keys"), PassphraseFile: phrase, RSABits: 2048, Random: rand.Reader, Log: log,
	})
	if err != nil {
		b.Fatal(err)
	}
	ring, err := keys.NewRing(context.Background(), backend, keys.Options{
		Clock: time.Now, Algs: keystest.Algorithms, PublishFor: time.Hour, RetireAfter: time.Hour, Maintain: true, Log: log,
	})
	if err != nil {
		b.Fatal(err)
	}
	payload := []byte(`{"iss":"https://localhost:9443","sub":"demo","aud":"https://localhost:9446","exp":1767225900}`)
	for _, alg := range keystest.Algorithms {
		b.Run(alg, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ring.Sign(context.Background(), alg, "at+jwt", payload); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
