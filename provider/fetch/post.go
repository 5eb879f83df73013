package fetch

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
)

// Post sends a body over https, under the same guard as [Client.Get], and returns the answer's status, whatever
// it is. A redirect is not followed: its status is returned. What the answer's body says is not looked at. An
// error means that there was no answer, or, as ErrRefused, that the address may not be reached at all; it names
// the host, never the path or query, and none of header.
func (c *Client) Post(ctx context.Context, address string, header http.Header, body []byte) (status int, err error) {
	target, err := parse(address)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.opt.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("%w: not a URL", ErrRefused)
	}
	maps.Copy(request.Header, header)
	request.Header.Set("User-Agent", "signet")
	response, err := c.http.Do(request)
	if err != nil {
		return 0, fmt.Errorf("posting to %s: %w", target.Host, withoutURL(err))
	}
	// A short body is read, so that the connection can be used again.
	_, _ = io.CopyN(io.Discard, response.Body, min(c.opt.MaxBytes, 4<<10))
	_ = response.Body.Close()
	return response.StatusCode, nil
}
