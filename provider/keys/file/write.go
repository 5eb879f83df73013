package file

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const (
	keySuffix  = ".key.json"
	tempPrefix = ".new-"
)

// writeJSON makes a file appear whole, readable by its owner only, and returns when it is durable.
func writeJSON(path string, document any) (err error) {
	raw, err := json.MarshalIndent(document, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding %s: %w", filepath.Base(path), err)
	}
	temp, err := os.CreateTemp(filepath.Dir(path), tempPrefix+"*") // mode 0600
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(temp.Name())
		}
	}()
	_, err = temp.Write(append(raw, '\n'))
	if err == nil {
		err = temp.Sync()
	}
	if err = errors.Join(err, temp.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err = os.Rename(temp.Name(), path); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return syncDirectory(filepath.Dir(path))
}

// syncDirectory makes a rename or removal durable.
func syncDirectory(path string) error {
	directory, err := os.Open(path) //nolint:gosec // the owner names the directory
	if err != nil {
		return fmt.Errorf("syncing %s: %w", path, err)
	}
	if err := errors.Join(directory.Sync(), directory.Close()); err != nil {
		return fmt.Errorf("syncing %s: %w", path, err)
	}
	return nil
}

// keyFiles lists the names of the key files.
func keyFiles(directory string) ([]string, error) {
	return list(directory, func(name string) bool { return strings.HasSuffix(name, keySuffix) })
}

// removeLeftovers deletes what a crash left half written. The caller holds the lock.
func removeLeftovers(directory string) error {
	names, err := list(directory, func(name string) bool { return strings.HasPrefix(name, tempPrefix) })
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := os.Remove(filepath.Join(directory, name)); err != nil {
			return fmt.Errorf("removing a leftover: %w", err)
		}
	}
	return nil
}

func list(directory string, want func(name string) bool) (names []string, err error) {
	entries, err := os.ReadDir(directory)
	if err != nil {
		return nil, fmt.Errorf("reading the key directory: %w", err)
	}
	for _, entry := range entries {
		if entry.Type().IsRegular() && want(entry.Name()) {
			names = append(names, entry.Name())
		}
	}
	return names, nil
}
