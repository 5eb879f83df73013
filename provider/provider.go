package provider

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"signet/mtls"
	"signet/provider/ciba"
	"signet/provider/deliver"
	"signet/provider/web"
)

// Provider is an OpenID provider: one set of handlers behind two doors.
type Provider struct {
	config    Config
	deps      Deps
	proxies   *mtls.Proxies
	handler   http.Handler
	ciba      *ciba.Service // nil where ciba.enabled is false
	queue     *deliver.Runner
	languages []string // of the pages
}

// New builds a provider. The configuration must be valid (see [Config.Validate]).
func New(config Config, deps Deps) (*Provider, error) {
	if faults := config.Validate(); len(faults) > 0 {
		return nil, &ConfigError{File: "configuration", Faults: faults}
	}
	if err := deps.validate(); err != nil {
		return nil, err
	}
	proxies, err := mtls.NewProxies(config.TrustedProxies.mtls())
	if err != nil {
		return nil, fmt.Errorf("trusted_proxies: %w", err)
	}
	if deps.Telemetry != nil {
		deps = Observe(deps, deps.Telemetry)
	}
	p := &Provider{config: config, deps: deps, proxies: proxies}
	h, err := p.endpoints()
	if err != nil {
		return nil, err
	}
	p.handler = routes(h, config.Endpoints.withDefaults(), deps.Log)
	return p, nil
}

// Main is the handler of the server-authenticated door.
func (p *Provider) Main() http.Handler { return p.door(web.DoorMain) }

// MTLS is the handler of the door that asks for a client certificate.
func (p *Provider) MTLS() http.Handler { return p.door(web.DoorMTLS) }

func (p *Provider) door(door web.Door) http.Handler {
	inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.proxies.Strip(r)
		p.handler.ServeHTTP(w, r)
	})
	return web.Wrap(inner, web.Options{
		Random: p.deps.Random, Log: p.deps.Log, Door: door, Clock: p.deps.Clock,
		Sender: p.proxies.Sender, ErrorDocs: p.config.Errors.Documentation, Observe: observer(p.deps.Telemetry, door, p.config.Endpoints),
	})
}

// deliverEvery is how often the queue of deliveries is looked at, besides when this process adds to it.
const deliverEvery = 5 * time.Second

// Run does what is to be done beside the requests until ctx ends: it sends what is owed to clients (CIBA Core
// section 10, Back-Channel Logout section 2.5). Every process of a server runs it.
func (p *Provider) Run(ctx context.Context) { p.queue.Run(ctx, deliverEvery) }
