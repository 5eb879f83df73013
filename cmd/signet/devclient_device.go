package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"signet/provider/device"
	"signet/provider/oauth"
)

// deviceFlow is one device authorization that is under way (RFC 8628 section 3.2).
type deviceFlow struct {
	DeviceCode oauth.Secret `json:"-"`
	UserCode   string       `json:"user_code"`
	URI        string       `json:"verification_uri"`
	Complete   string       `json:"verification_uri_complete"`
	ExpiresIn  int64        `json:"expires_in"` // seconds
	Interval   int64        `json:"interval"`   // seconds
}

// The interval of a server that tells none, and what each slow_down adds (RFC 8628 section 3.5).
const (
	deviceInterval = 5 * time.Second
	deviceSlowDown = 5 * time.Second
)

// startDevice asks for a code.
func (d *devClient) startDevice(ctx context.Context, scope string, resources []string) (*deviceFlow, error) {
	endpoint, err := d.endpoint(d.meta.DeviceEndpoint, d.meta.Aliases.DeviceEndpoint)
	if err != nil {
		return nil, next(err, "enable it in the provider's configuration: device.enabled")
	}
	form := url.Values{}
	if scope != "" {
		form.Set("scope", scope)
	}
	if len(resources) > 0 {
		form["resource"] = resources
	}
	raw, err := d.post(ctx, endpoint, form, http.StatusOK)
	if err != nil {
		return nil, err
	}
	var answer struct {
		deviceFlow
		DeviceCode string `json:"device_code"` // a Secret hides itself from JSON, too
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		return nil, fmt.Errorf("the device authorization response: %w", err)
	}
	flow := answer.deviceFlow
	flow.DeviceCode = oauth.Secret(answer.DeviceCode)
	if flow.DeviceCode == "" || flow.UserCode == "" || flow.URI == "" || flow.ExpiresIn <= 0 {
		return nil, errors.New("the device authorization response lacks device_code, user_code, verification_uri or expires_in (RFC 8628 section 3.2)")
	}
	return &flow, nil
}

// finishDevice polls until the user has answered or the code has expired (RFC 8628 section 3.5). wait waits between the
// polls; it fails when the context is over.
func (d *devClient) finishDevice(ctx context.Context, flow *deviceFlow, wait func(context.Context, time.Duration) error) (*tokenResponse, error) {
	interval := time.Duration(flow.Interval) * time.Second
	if flow.Interval <= 0 {
		interval = deviceInterval
	}
	end := d.clock().Add(time.Duration(flow.ExpiresIn) * time.Second)
	for {
		if err := wait(ctx, interval); err != nil {
			return nil, fmt.Errorf("stopped before anybody answered: %w", err)
		}
		answer, err := d.token(ctx, url.Values{"grant_type": {oauth.GrantDevice}, "device_code": {flow.DeviceCode.Reveal()}})
		var refusal *tokenError
		if err == nil || !errors.As(err, &refusal) {
			return answer, err
		}
		switch oauth.Code(refusal.Code) {
		case oauth.AuthorizationPending:
		case oauth.SlowDown:
			interval += deviceSlowDown
		default:
			return nil, err
		}
		if d.clock().After(end) {
			return nil, next(errors.New("nobody has answered in time"), "start again, and open the address before the code expires")
		}
	}
}

// pause waits for a while, or until the context is over: then the error is its.
func pause(ctx context.Context, length time.Duration) error {
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// tokenByDevice runs the whole flow, and shows the user where to go.
func (c *console) tokenByDevice(ctx context.Context, client *devClient, scope string, resources []string) (*tokenResponse, error) {
	flow, err := client.startDevice(ctx, scope, resources)
	if err != nil {
		return nil, err
	}
	text, err := flow.instructions(isScreen(c.err))
	if err != nil {
		return nil, err
	}
	c.note("%s", text)
	return client.finishDevice(ctx, flow, pause)
}

// instructions say what the user has to do; picture: with the address as a QR code, for a terminal with colours.
func (f *deviceFlow) instructions(picture bool) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "Open this in a browser, on any device:\n\n  %s\n\nand enter the code:\n\n  %s\n", f.URI, f.UserCode)
	if f.Complete != "" {
		fmt.Fprintf(&b, "\nor open this, and compare the code:\n\n  %s\n", f.Complete)
		if picture {
			drawn, err := device.Draw(f.Complete)
			if err != nil {
				return "", err
			}
			b.WriteString("\n" + drawn.Terminal())
		}
	}
	fmt.Fprintf(&b, "\nWaiting for the answer, for %s at most.", time.Duration(f.ExpiresIn)*time.Second)
	return b.String(), nil
}
