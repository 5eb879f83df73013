package file

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/argon2"

	"signet/provider/keys/sealed"
	"signet/provider/oauth"
)

const (
	dataKeyFile   = "data-key.json"
	dataKeyFormat = "signet data key 1"
	saltSize      = 16

	// MinPassphrase is the least length of a passphrase, in bytes.
	MinPassphrase = 16
	maxPassphrase = 4096
)

// kdf are the parameters of argon2id, kept beside what they protect.
type kdf struct {
	Time    uint32 `json:"time"`
	Memory  uint32 `json:"memory_kib"`
	Threads uint8  `json:"threads"`
	Salt    []byte `json:"salt"`
}

// standardKDF is the second recommended option of RFC 9106 section 4: 64 MiB, three passes. Once per start.
func standardKDF() kdf { return kdf{Time: 3, Memory: 64 << 10, Threads: 4} }

func (k kdf) derive(passphrase oauth.Secret) ([]byte, error) {
	if k.Time < 1 || k.Time > 64 || k.Memory < 8<<10 || k.Memory > 4<<20 || k.Threads < 1 || len(k.Salt) < saltSize {
		return nil, errors.New("the key derivation's parameters are out of range")
	}
	return argon2.IDKey([]byte(passphrase.Reveal()), k.Salt, k.Time, k.Memory, k.Threads, 32), nil
}

// dataKeyDocument is the content of the data key's file.
type dataKeyDocument struct {
	Format  string `json:"format"`
	KDF     kdf    `json:"argon2id"`
	Wrapped []byte `json:"wrapped_key"`
}

// loadDataKey opens the data key with the passphrase, or makes one in a directory that has none yet. The
// caller holds the lock.
func loadDataKey(opt *Options, passphrase oauth.Secret) ([]byte, error) {
	directory, random := opt.Directory, opt.Random
	path := filepath.Join(directory, dataKeyFile)
	raw, err := os.ReadFile(path) //nolint:gosec // the owner names the directory
	if errors.Is(err, fs.ErrNotExist) {
		if err := refuseOrphans(directory); err != nil {
			return nil, err
		}
		return makeDataKey(path, opt, passphrase)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the data key: %w", err)
	}
	var document dataKeyDocument
	if err := json.Unmarshal(raw, &document); err != nil || document.Format != dataKeyFormat {
		return nil, fmt.Errorf("%s: not a data key file of this version", path)
	}
	wrapping, err := document.KDF.derive(passphrase)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	wrapper, err := sealed.NewBox(wrapping, random)
	if err != nil {
		return nil, err
	}
	dataKey, err := wrapper.Open(document.Wrapped, []byte(dataKeyFormat))
	if err != nil || len(dataKey) != sealed.KeySize {
		return nil, fmt.Errorf("%s: the passphrase is wrong, or the file is damaged", path)
	}
	return dataKey, nil
}

// refuseOrphans keeps a lost data key from being papered over with a new one, which could open nothing.
func refuseOrphans(directory string) error {
	names, err := keyFiles(directory)
	if err != nil {
		return err
	}
	if len(names) > 0 {
		return fmt.Errorf("%s has signing keys, but their data key (%s) is missing", directory, dataKeyFile)
	}
	return nil
}

func makeDataKey(path string, opt *Options, passphrase oauth.Secret) ([]byte, error) {
	secrets := make([]byte, sealed.KeySize+saltSize)
	if _, err := io.ReadFull(opt.Random, secrets); err != nil {
		return nil, fmt.Errorf("reading randomness: %w", err)
	}
	dataKey, salt := secrets[:sealed.KeySize:sealed.KeySize], secrets[sealed.KeySize:]
	document := dataKeyDocument{Format: dataKeyFormat, KDF: opt.derivation}
	document.KDF.Salt = salt
	wrapping, err := document.KDF.derive(passphrase)
	if err != nil {
		return nil, err
	}
	wrapper, err := sealed.NewBox(wrapping, opt.Random)
	if err != nil {
		return nil, err
	}
	if document.Wrapped, err = wrapper.Seal(dataKey, []byte(dataKeyFormat)); err != nil {
		return nil, err
	}
	return dataKey, writeJSON(path, document)
}

// readPassphrase takes the file's first line. Its end is not part of it, so that an editor or echo can write it.
func readPassphrase(path string) (oauth.Secret, error) {
	raw, err := os.ReadFile(path) //nolint:gosec // the owner names the file
	if err != nil {
		return "", fmt.Errorf("reading the passphrase: %w", err)
	}
	line := strings.TrimRight(string(raw), "\r\n")
	switch {
	case strings.ContainsAny(line, "\r\n"):
		return "", fmt.Errorf("passphrase file %s: more than one line", path)
	case len(line) < MinPassphrase || len(line) > maxPassphrase:
		return "", fmt.Errorf("passphrase file %s: %d to %d bytes are needed", path, MinPassphrase, maxPassphrase)
	}
	return oauth.Secret(line), nil
}
