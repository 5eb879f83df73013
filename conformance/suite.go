package conformance

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// What one answer of the suite may weigh, and how often a reading request is repeated while the suite is out of
// reach.
const (
	maxAnswer  = 64 << 20
	readTries  = 6
	retryPause = 500 * time.Millisecond
	longPoll   = 30 * time.Second // the suite's own limit
)

// The statuses and results of a module, as the suite names them.
const (
	StatusConfigured  = "CONFIGURED"
	StatusWaiting     = "WAITING"
	StatusInterrupted = "INTERRUPTED"
	StatusFinished    = "FINISHED"

	ResultPassed  = "PASSED"
	ResultFailed  = "FAILED"
	ResultWarning = "WARNING"
	ResultReview  = "REVIEW"
	ResultSkipped = "SKIPPED"
	ResultUnknown = "UNKNOWN"
)

// Suite is a client of the conformance suite's REST API.
type Suite struct {
	base *url.URL
	http *http.Client
}

// NewSuite is a client for the suite at base, an https URL without a path. The HTTP client must trust the suite's
// certificate and have no time limit below 40 seconds: the suite answers some requests late on purpose.
func NewSuite(base string, client *http.Client) (*Suite, error) {
	u, err := url.Parse(strings.TrimSuffix(base, "/"))
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.Path != "" {
		return nil, fmt.Errorf("the suite's address %q is not an https URL without a path", base)
	}
	return &Suite{base: u, http: client}, nil
}

// URL is the suite's address without a slash at its end.
func (s *Suite) URL() string { return s.base.String() }

// CallbackURL is the redirect URI of the modules that run with the alias.
func (s *Suite) CallbackURL(alias string) string {
	return s.base.JoinPath("test", "a", alias, "callback").String()
}

// StatusError is an answer other than the expected one.
type StatusError struct {
	Method, Path string
	Status       int
	Message      string // what the suite says about it
}

// Error implements error.
func (e *StatusError) Error() string {
	text := fmt.Sprintf("the suite answered %s %s with %d", e.Method, e.Path, e.Status)
	if e.Message != "" {
		text += ": " + e.Message
	}
	return text
}

// Version is the suite's own.
func (s *Suite) Version(ctx context.Context) (string, error) {
	var answer struct {
		Version string `json:"version"`
	}
	err := s.get(ctx, "api/server", nil, &answer)
	return answer.Version, err
}

// Module is a module of a created plan, with the variant that it is created with.
type Module struct {
	Name    string            `json:"testModule"`
	Variant map[string]string `json:"variant"`
}

// CreatePlan makes a plan from its name, variant and configuration. It returns the plan's id and its modules in
// the suite's order.
func (s *Suite) CreatePlan(ctx context.Context, name string, variant map[string]string, config []byte) (id string, modules []Module, err error) {
	query, err := withVariant(url.Values{"planName": {name}}, variant)
	if err != nil {
		return "", nil, err
	}
	var answer struct {
		ID      string   `json:"id"`
		Modules []Module `json:"modules"`
	}
	if err := s.post(ctx, "api/plan", query, "application/json", config, http.StatusCreated, &answer); err != nil {
		return "", nil, err
	}
	if answer.ID == "" || len(answer.Modules) == 0 {
		return "", nil, fmt.Errorf("the suite made a plan %s without modules", name)
	}
	return answer.ID, answer.Modules, nil
}

// CreateModule makes an instance of a plan's module. It starts by itself, except where [Suite.Start] says.
func (s *Suite) CreateModule(ctx context.Context, planID string, module Module) (id string, err error) {
	query, err := withVariant(url.Values{"test": {module.Name}, "plan": {planID}}, module.Variant)
	if err != nil {
		return "", err
	}
	var answer struct {
		ID string `json:"id"`
	}
	err = s.post(ctx, "api/runner", query, "application/json", nil, http.StatusCreated, &answer)
	if err == nil && answer.ID == "" {
		err = fmt.Errorf("the suite made a module %s without an id", module.Name)
	}
	return answer.ID, err
}

func withVariant(query url.Values, variant map[string]string) (url.Values, error) {
	if len(variant) == 0 {
		return query, nil
	}
	raw, err := json.Marshal(variant)
	query.Set("variant", string(raw))
	return query, err
}

// Start starts a module that stays CONFIGURED until it is told. For any other it changes nothing.
func (s *Suite) Start(ctx context.Context, id string) error {
	return s.post(ctx, "api/runner/"+id, nil, "application/json", nil, http.StatusOK, nil)
}

// Cancel stops a module, so that it holds its alias no longer.
func (s *Suite) Cancel(ctx context.Context, id string) error {
	return s.do(ctx, http.MethodDelete, "api/runner/"+id, nil, "", nil, http.StatusOK, nil)
}

// Await waits until the module has one of the statuses, for up to limit, which the suite bounds to 30 seconds. It
// returns "" when the time is up.
func (s *Suite) Await(ctx context.Context, id string, limit time.Duration, statuses ...string) (string, error) {
	query := url.Values{
		"states":    {strings.Join(statuses, ",")},
		"timeoutMs": {strconv.FormatInt(min(limit, longPoll).Milliseconds(), 10)},
	}
	var answer struct {
		State string `json:"state"`
	}
	err := s.get(ctx, "api/runner/"+id+"/wait-state", query, &answer)
	return answer.State, err
}

// Outcome is a module's status, and its result once there is one.
type Outcome struct {
	Status string `json:"status"`
	Result string `json:"result"`
}

// Outcome reads how the module stands.
func (s *Suite) Outcome(ctx context.Context, id string) (o Outcome, err error) {
	err = s.get(ctx, "api/info/"+id, nil, &o)
	return o, err
}

// BrowserBusy says whether the suite's scripted browser is still on its way for the module.
func (s *Suite) BrowserBusy(ctx context.Context, id string) (bool, error) {
	var answer struct {
		Browser struct {
			Runners []json.RawMessage `json:"runners"`
		} `json:"browser"`
	}
	err := s.get(ctx, "api/runner/"+id, nil, &answer)
	return len(answer.Browser.Runners) > 0, err
}

// Log reads the module's log, oldest entry first.
func (s *Suite) Log(ctx context.Context, id string) (entries []Entry, err error) {
	err = s.get(ctx, "api/log/"+id, nil, &entries)
	return entries, err
}

// Images reads the log entries that have a picture or want one.
func (s *Suite) Images(ctx context.Context, id string) (entries []Entry, err error) {
	err = s.get(ctx, "api/log/"+id+"/images", nil, &entries)
	return entries, err
}

// Upload fills the place of a picture with a PNG of at most 500 KiB.
func (s *Suite) Upload(ctx context.Context, id, placeholder string, png []byte) error {
	body := "data:image/png;base64," + base64.StdEncoding.EncodeToString(png)
	return s.post(ctx, "api/log/"+id+"/images/"+placeholder, nil, "text/plain", []byte(body), http.StatusOK, nil)
}

// Export writes the plan's results, as the suite signs and packs them, to w.
func (s *Suite) Export(ctx context.Context, planID string, w io.Writer) error {
	const path = "api/plan/export/"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base.JoinPath(path+planID).String(), nil)
	if err != nil {
		return err
	}
	response, err := s.http.Do(request)
	if err != nil {
		return fmt.Errorf("exporting the plan: %w", err)
	}
	defer response.Body.Close() //nolint:errcheck // only read
	if response.StatusCode != http.StatusOK {
		return &StatusError{Method: http.MethodGet, Path: "/" + path + planID, Status: response.StatusCode}
	}
	_, err = io.Copy(w, response.Body)
	return err
}

// get repeats a request that failed for reasons that pass.
func (s *Suite) get(ctx context.Context, path string, query url.Values, into any) (err error) {
	for try := range readTries {
		if try > 0 {
			if err := sleep(ctx, retryPause<<(try-1)); err != nil {
				return err
			}
		}
		err = s.do(ctx, http.MethodGet, path, query, "", nil, http.StatusOK, into)
		var status *StatusError
		if err == nil || ctx.Err() != nil || errors.As(err, &status) && status.Status < http.StatusInternalServerError {
			return err
		}
	}
	return err
}

func (s *Suite) post(ctx context.Context, path string, query url.Values, contentType string, body []byte, want int, into any) error {
	return s.do(ctx, http.MethodPost, path, query, contentType, body, want, into)
}

func (s *Suite) do(ctx context.Context, method, path string, query url.Values, contentType string, body []byte, want int, into any) error {
	address := s.base.JoinPath(path)
	address.RawQuery = query.Encode()
	request, err := http.NewRequestWithContext(ctx, method, address.String(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	request.Header.Set("Accept", "application/json")
	response, err := s.http.Do(request)
	if err != nil {
		return fmt.Errorf("asking the suite: %w", err)
	}
	defer response.Body.Close() //nolint:errcheck // only read
	raw, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("reading the suite's answer: %w", err)
	}
	if response.StatusCode != want {
		return &StatusError{Method: method, Path: "/" + path, Status: response.StatusCode, Message: complaint(raw)}
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("the suite's answer to %s /%s: %w", method, path, err)
	}
	return nil
}

// complaint is what an answer other than the expected one says.
func complaint(raw []byte) string {
	var answer struct {
		Error   string `json:"error"`
		Message string `json:"message"`
	}
	if json.Unmarshal(raw, &answer) == nil && answer.Error+answer.Message != "" {
		return strings.TrimSpace(answer.Error + " " + answer.Message)
	}
	return shorten(string(raw), 200)
}

// shorten cuts a text to at most limit bytes, at the start of a character.
func shorten(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "") + "..."
}

// sleep waits, or returns early with the context's error.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
