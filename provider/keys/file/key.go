package file

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"signet/provider/keys"
	"signet/provider/keys/sealed"
)

// readKey reads, opens and checks one key file.
func (b *Backend) readKey(name string) (sealed.Key, error) {
	raw, err := os.ReadFile(filepath.Join(b.opt.Directory, name)) //nolint:gosec // from the directory's listing
	if err != nil {
		return sealed.Key{}, fmt.Errorf("reading a key: %w", err)
	}
	record, err := sealed.Parse(raw)
	if err != nil {
		return sealed.Key{}, fmt.Errorf("%s: %w", name, err)
	}
	key, err := record.Open(b.files)
	if err != nil {
		return sealed.Key{}, fmt.Errorf("%s: %w", name, err)
	}
	if name != key.Kid+keySuffix {
		return sealed.Key{}, fmt.Errorf("%s: the file's name and its key do not belong together", name)
	}
	return key, nil
}

// makeKey generates a key and writes its file. The caller holds the lock.
func (b *Backend) makeKey(spec keys.Spec) (keys.Key, error) {
	record, key, err := sealed.Generate(b.files, spec, b.opt.RSABits, b.opt.Random)
	if err != nil {
		return keys.Key{}, err
	}
	return key.Key, writeJSON(filepath.Join(b.opt.Directory, key.Kid+keySuffix), record)
}

// removeKey deletes a key's file.
func (b *Backend) removeKey(kid string) error {
	if kid == "" || strings.ContainsAny(kid, `/\`) {
		return nil // no thumbprint looks like this, so there is no such key
	}
	err := os.Remove(filepath.Join(b.opt.Directory, kid+keySuffix))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("deleting a key: %w", err)
	}
	return syncDirectory(b.opt.Directory)
}
