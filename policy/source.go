package policy

import (
	"crypto/sha256"
	"embed"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

// Limits of an owner's directory. They stop a mistaken path, not a policy.
const (
	maxFiles      = 2000
	maxSourceSize = 16 << 20
)

//go:embed bundle/*.rego
var builtin embed.FS

// file is one policy or data file as it was read.
type file struct {
	name  string // relative to its root, with slashes
	owner bool   // from the owner's directory rather than built in
	raw   []byte
}

// builtinPrefix marks built-in files in errors.
const builtinPrefix = "builtin:"

// label is how errors name the file.
func (f file) label() string {
	if f.owner {
		return f.name
	}
	return builtinPrefix + strings.TrimPrefix(f.name, "bundle/")
}

// source is everything that a bundle is compiled from, read once.
type source struct {
	files    []file // built-in ones first, then the owner's, each by name
	revision string
}

// readSource reads the built-in bundle and the owner's directory ("" = none). Rego tests are left out:
// they change no decision, so they do not change the revision either.
func readSource(directory string) (*source, error) {
	s := &source{}
	size := 0
	if err := s.read(builtin, false, &size); err != nil {
		return nil, fmt.Errorf("built-in bundle: %w", err)
	}
	if directory != "" {
		if err := s.read(os.DirFS(directory), true, &size); err != nil {
			return nil, fmt.Errorf("policy directory: %w", err)
		}
	}
	s.revision = digest(s.files)
	return s, nil
}

func (s *source) read(root fs.FS, owner bool, size *int) error {
	return fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		// Dot names are version control, editors, and the inner folders of a Kubernetes volume.
		if name != "." && strings.HasPrefix(path.Base(name), ".") {
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if entry.Type()&fs.ModeSymlink != 0 {
			target, err := fs.Stat(root, name)
			if err != nil {
				return err
			}
			if target.IsDir() {
				return fmt.Errorf("%s: links to directories are not followed", name)
			}
		}
		if err := refusedName(name); err != nil {
			return err
		}
		if entry.IsDir() || !isPolicyFile(name) {
			return nil
		}
		raw, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		*size += len(raw)
		if len(s.files) == maxFiles || *size > maxSourceSize {
			return fmt.Errorf("more than %d files or %d bytes", maxFiles, maxSourceSize)
		}
		s.files = append(s.files, file{name: name, owner: owner, raw: raw})
		return nil
	})
}

func isPolicyFile(name string) bool {
	return path.Base(name) == "data.json" || strings.HasSuffix(name, ".rego") && !strings.HasSuffix(name, "_test.rego")
}

// refusedName reports files that OPA's own tools would read and Signet does not: passing over them in
// silence would change decisions.
func refusedName(name string) error {
	if strings.HasPrefix(name, builtinPrefix) {
		return fmt.Errorf("%s: that name is taken", name)
	}
	switch path.Base(name) {
	case "data.yaml", "data.yml":
		return fmt.Errorf("%s: data is read from data.json only", name)
	}
	if strings.HasSuffix(name, ".tar.gz") || strings.HasSuffix(name, ".wasm") {
		return fmt.Errorf("%s: only .rego files and data.json are read", name)
	}
	return nil
}

// digest is 128 bits of SHA-256 over names and contents, each with its length in front.
func digest(files []file) string {
	hash := sha256.New()
	write := func(raw []byte) {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(raw)))
		hash.Write(length[:])
		hash.Write(raw)
	}
	for _, f := range files {
		write([]byte(f.label()))
		write(f.raw)
	}
	return hex.EncodeToString(hash.Sum(nil)[:16])
}

// dataPath returns where in the data document a data.json belongs: its folders, as OPA does it.
func (f file) dataPath() ([]string, error) {
	dir := path.Dir(f.name)
	if dir == "." {
		return nil, nil
	}
	parts := strings.Split(dir, "/")
	if slices.Contains(parts, "..") {
		return nil, errors.New("not inside the directory")
	}
	return parts, nil
}
