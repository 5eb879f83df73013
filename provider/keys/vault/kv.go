package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// ReadKV reads a record of a KV version 2 mount and its version. A record that never was has version 0; one
// whose newest version is deleted has that version and no data.
func (c *Client) ReadKV(ctx context.Context, mount, path string) (data map[string]any, version int, err error) {
	secret, err := c.Read(ctx, mount+"/data/"+path, nil)
	if err != nil || secret == nil {
		return nil, 0, err
	}
	metadata, _ := secret.Data["metadata"].(map[string]any)
	if version, err = versionOf(metadata); err != nil {
		return nil, 0, fmt.Errorf("vault: read %s/data/%s: %w", mount, path, err)
	}
	data, _ = secret.Data["data"].(map[string]any)
	return data, version, nil
}

// WriteKV writes the next version of a record if its version is still cas (0: if it never was), and returns the
// new version; otherwise it fails with ErrCAS. An error that wraps oauth.ErrUnavailable leaves open whether it
// was written: read it again.
func (c *Client) WriteKV(ctx context.Context, mount, path string, data map[string]any, cas int) (version int, err error) {
	name := mount + "/data/" + path
	secret, err := c.Write(ctx, name, map[string]any{"data": data, "options": map[string]any{"cas": cas}})
	var answer *Error
	switch {
	case errors.As(err, &answer) && answer.Status == http.StatusBadRequest && answer.Says("check-and-set"):
		return 0, fmt.Errorf("%w: %w", ErrCAS, err)
	case err != nil:
		return 0, err
	case secret == nil:
		return 0, fmt.Errorf("vault: write %s: no answer; is %s a KV version 2 mount?", name, mount)
	}
	if version, err = versionOf(secret.Data); err != nil {
		return 0, fmt.Errorf("vault: write %s: %w", name, err)
	}
	return version, nil
}

func versionOf(metadata map[string]any) (int, error) {
	number, ok := metadata["version"].(json.Number)
	if !ok {
		return 0, errors.New("the answer has no version: it is no KV version 2 mount")
	}
	version, err := number.Int64()
	return int(version), err
}
