package main

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"sync"
)

// callback is the demonstration's own client: the third party tpp-aisp, to which the browser returns. It
// redeems the code at the mTLS door, uses the token at the resource server, and says in words what came
// of it.
type callback struct {
	demo   *demonstration
	client *devClient

	mu      sync.Mutex
	started map[string]*codeFlow // by state
	order   []string             // oldest first
}

// maxFlows bounds the flows that are kept; each visit of the start page begins one.
const maxFlows = 100

const browserScope = "openid profile accounts"

// connect reads the provider's metadata, once the doors are open.
func (c *callback) connect(ctx context.Context) (err error) {
	c.client, err = newDevClient(ctx, c.demo.clients["tpp-aisp"], "mtls", c.demo.system)
	c.started = map[string]*codeFlow{}
	return err
}

// begin starts a flow and remembers it.
func (c *callback) begin(ctx context.Context) (*codeFlow, error) {
	flow, err := c.client.startCode(ctx, c.demo.redirectURI(c.demo.ports.Callback), browserScope, nil)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.started[flow.state] = flow
	c.order = append(c.order, flow.state)
	if len(c.order) > maxFlows {
		delete(c.started, c.order[1]) // the first is the one that was printed
		c.order = append(c.order[:1], c.order[2:]...)
	}
	return flow, nil
}

func (c *callback) flow(state string) (*codeFlow, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	flow, ok := c.started[state]
	return flow, ok
}

// ServeHTTP serves the start page, which redirects to the provider, and the callback.
func (c *callback) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/":
		flow, err := c.begin(r.Context())
		if err != nil {
			c.page(w, outcome{Title: "That did not start", Lines: []string{err.Error()}})
			return
		}
		http.Redirect(w, r, flow.URL, http.StatusFound)
	case "/callback":
		c.page(w, c.finish(r))
	default:
		http.NotFound(w, r)
	}
}

// outcome is what the page says.
type outcome struct {
	OK     bool
	Title  string
	Lines  []string
	Claims [][2]string
}

func (c *callback) finish(r *http.Request) outcome {
	query := r.URL.Query()
	flow, ok := c.flow(query.Get("state"))
	if !ok {
		return outcome{Title: "This is not a flow that the demonstration started", Lines: []string{"Start again from the first page."}}
	}
	answer, err := c.client.finishCode(r.Context(), flow, query)
	if err != nil {
		return outcome{Title: "No access", Lines: []string{err.Error()}}
	}
	status, err := c.useToken(r.Context(), answer)
	if err != nil {
		return outcome{Title: "The token could not be used", Lines: []string{err.Error()}}
	}
	o := outcome{OK: true, Title: "It worked", Lines: []string{
		"You signed in, you agreed, and Demo Account Information (tpp-aisp) got a token with the scope: " + answer.Scope + ".",
		"With its own certificate it called the resource server, which answered: " + status + ".",
	}}
	if decoded, err := decodeJWT(answer.AccessToken); err == nil {
		o.Lines = append(o.Lines, "The token says (cnf) that it works with that certificate only. These are its claims:")
		for _, row := range decoded.rows() {
			if row[0] == "claim" {
				o.Claims = append(o.Claims, [2]string{fmt.Sprint(row[1]), fmt.Sprint(row[2])})
			}
		}
	}
	return o
}

// useToken calls /accounts at the resource server as the third party.
func (c *callback) useToken(ctx context.Context, answer *tokenResponse) (string, error) {
	if c.demo.o.noResourceServer {
		return "nothing, because it was not started", nil
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.demo.config.Resources[0].ID+"/accounts", nil)
	if err != nil {
		return "", err
	}
	request.Header.Set("Authorization", "Bearer "+answer.AccessToken)
	response, err := c.client.http.Do(request)
	if err != nil {
		return "", err
	}
	if err := response.Body.Close(); err != nil {
		return "", err
	}
	if response.StatusCode != http.StatusOK {
		return "", errors.New("the resource server answered " + response.Status)
	}
	return response.Status, nil
}

var callbackPage = template.Must(template.New("callback").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Title}} - Demo Account Information</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:44rem;margin:3rem auto;padding:0 1rem;color:#1b2733}
h1{font-size:1.5rem}td,th{text-align:left;padding:.25rem .75rem .25rem 0;vertical-align:top;overflow-wrap:anywhere}
th{font-weight:600;white-space:nowrap}</style></head>
<body data-page="callback" data-ok="{{.OK}}"><main><h1>{{.Title}}</h1>
{{range .Lines}}<p>{{.}}</p>{{end}}
{{with .Claims}}<table>{{range .}}<tr><th scope="row">{{index . 0}}</th><td>{{index . 1}}</td></tr>{{end}}</table>{{end}}
<p><a href="/">Start again</a></p></main></body></html>
`))

func (c *callback) page(w http.ResponseWriter, o outcome) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	w.Header().Set("Cache-Control", "no-store")
	var page strings.Builder
	if err := callbackPage.Execute(&page, o); err != nil {
		http.Error(w, "page", http.StatusInternalServerError)
		return
	}
	if _, err := w.Write([]byte(page.String())); err != nil {
		c.demo.log.Debug("callback page not sent", "cause", err)
	}
}
