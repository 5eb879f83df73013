package keystest_test

import (
	"testing"

	"signet/provider/keys"
	"signet/provider/keys/keystest"
)

func TestMemory(t *testing.T) {
	keystest.Run(t, func(*testing.T) keys.Backend { return keystest.NewMemory() })
	keystest.RunShared(t, func(*testing.T) (keys.Backend, keys.Backend) {
		m := keystest.NewMemory()
		return m, m
	})
}
