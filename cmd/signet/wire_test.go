package main

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"signet/provider"
	"signet/provider/fetch"
)

// The device service may be inside the bank; an address that a client registers may not, also when it is the same one.
func TestDeviceHasItsOwnWayOut(t *testing.T) {
	inside := httptest.NewTLSServer(http.NotFoundHandler())
	defer inside.Close()
	other := httptest.NewTLSServer(http.NotFoundHandler())
	defer other.Close()
	config := provider.Config{CIBA: provider.CIBAConfig{Device: provider.DeviceConfig{URL: inside.URL + "/notify"}}}
	outbound, device, err := newFetch(realSystem(), config)
	if err != nil {
		t.Fatal(err)
	}
	post := func(c *fetch.Client, address string) error {
		_, err := c.Post(t.Context(), address, http.Header{}, nil)
		return err
	}
	for name, err := range map[string]error{
		"a client's": post(outbound, config.CIBA.Device.URL), "the device's, at another port": post(device, other.URL),
	} {
		if !errors.Is(err, fetch.ErrRefused) {
			t.Errorf("%s: %v, want a refusal", name, err)
		}
	}
	if err := post(device, config.CIBA.Device.URL); err == nil || errors.Is(err, fetch.ErrRefused) { // its certificate is of no known CA
		t.Errorf("the device's: %v, want it to get as far as TLS", err)
	}
	config.CIBA.Device.URL = ""
	if _, device, err = newFetch(realSystem(), config); err != nil || !errors.Is(post(device, inside.URL), fetch.ErrRefused) {
		t.Errorf("without a device: %v", err)
	}
}
