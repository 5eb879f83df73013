package transit_test

import (
	"testing"

	"signet/provider/keys/transit"
	"signet/provider/keys/vaulttest"
)

func TestOptionsAreChecked(t *testing.T) {
	good := options(t, vaulttest.Shared(t))
	for name, spoil := range map[string]func(opt *transit.Options){
		"no client":   func(opt *transit.Options) { opt.Client = nil },
		"no mount":    func(opt *transit.Options) { opt.Mount = "" },
		"no KV mount": func(opt *transit.Options) { opt.KVMount = "" },
		"no prefix":   func(opt *transit.Options) { opt.Prefix = "" },
		"path":        func(opt *transit.Options) { opt.Prefix = "a/b" },
		"no clock":    func(opt *transit.Options) { opt.Clock = nil },
		"no log":      func(opt *transit.Options) { opt.Log = nil },
	} {
		opt := good
		spoil(&opt)
		if _, err := transit.Open(t.Context(), opt); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
}
