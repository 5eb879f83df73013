package conformance

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// KeepLogs exports the run's logs, as the suite signs and packs them, to a file in dir, and writes the file's name
// and digest into the result.
func KeepLogs(ctx context.Context, suite *Suite, dir string, result *RunResult) (err error) {
	name := result.Name + ".zip"
	file, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600) //nolint:gosec // the folder is the caller's
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	digest := sha256.New()
	if err := suite.Export(ctx, result.PlanID, io.MultiWriter(file, digest)); err != nil {
		return err
	}
	result.Logs, result.LogsSHA256 = name, hex.EncodeToString(digest.Sum(nil))
	return nil
}

// WriteResult keeps the run's result in dir; an earlier one of the same run is replaced.
func WriteResult(dir string, result RunResult) error {
	raw, err := json.MarshalIndent(result, "", "  ")
	if err != nil {
		return err
	}
	file := filepath.Join(dir, result.Name+".json")
	if err := os.WriteFile(file+".new", append(raw, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

// ReadResults reads all results of dir, in the order of the runs' names. A folder that is not there has none.
func ReadResults(dir string) ([]RunResult, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, err
	}
	var results []RunResult
	for _, name := range names {
		raw, err := os.ReadFile(name) //nolint:gosec // the folder is the caller's
		if err != nil {
			return nil, err
		}
		var result RunResult
		if err := json.Unmarshal(raw, &result); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		results = append(results, result)
	}
	slices.SortFunc(results, func(a, b RunResult) int { return strings.Compare(a.Name, b.Name) })
	return results, nil
}

// SelectResults returns the results whose name begins with one of the comma-separated prefixes; "" selects all.
func SelectResults(results []RunResult, prefixes string) []RunResult {
	return slices.DeleteFunc(slices.Clone(results), func(r RunResult) bool {
		for prefix := range strings.SplitSeq(prefixes, ",") {
			if strings.HasPrefix(r.Name, strings.TrimSpace(prefix)) {
				return false
			}
		}
		return true
	})
}
