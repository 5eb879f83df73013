package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// againLog is of a browser that was asked to sign in again, did so, and has returned to the suite.
const againLog = `[
 {"src":"WebRunner","http":"request","request_uri":"https://op.test/authorize?first","request_method":"GET","time":1},
 {"src":"WebRunner","http":"response","response_content":"<main>first</main>","time":2},
 {"src":"WebRunner","http":"request","request_uri":"https://op.test/authorize?second","request_method":"GET","time":3},
 {"src":"WebRunner","http":"response","response_content":"<main>second</main>","time":4},
 {"src":"WebRunner","msg":"Response 200 OK GET SUITE/test/callback","body":"<p>done</p>","time":5},
 {"src":"WebRunner","msg":"Completed processing of webpage","url":"SUITE/test/callback","time":6}]`

// TestPictureOfSession: the page that only a session leads to is shown as the suite's browser got it, although that
// has gone on since.
func TestPictureOfSession(t *testing.T) {
	r := newRig(t, []string{"oidcc-prompt-login"}, nil)
	r.fake.scripts = map[string]script{"oidcc-prompt-login": {
		statuses: []string{"RUNNING", StatusWaiting}, result: ResultReview, placeholder: "place",
		log: strings.ReplaceAll(againLog, "SUITE", r.fake.server.URL),
	}}
	r.Expected = []Expectation{{Run: "*", Module: "oidcc-*", Result: ResultReview, Reason: "a picture"}}
	if m := r.one(t); !m.Good() || m.Pictures != 1 {
		t.Errorf("got %+v, want a good module with one picture", m)
	}
	want := Page{URL: "https://op.test/authorize?second", HTML: "<main>second</main>"}
	if len(r.camera.pages) != 1 || r.camera.pages[0] != want {
		t.Errorf("photographed %v, want once %v", r.camera.pages, want)
	}
}

// TestNoPictureOfEarlierPage: other modules want a picture of where the browser is, or none.
func TestNoPictureOfEarlierPage(t *testing.T) {
	r := newRig(t, []string{"m"}, nil)
	r.fake.scripts = map[string]script{"m": {
		statuses: []string{"RUNNING", StatusWaiting}, result: ResultReview, placeholder: "place",
		log: strings.ReplaceAll(againLog, "SUITE", r.fake.server.URL),
	}}
	if m := r.one(t); m.Good() || len(r.camera.pages) != 0 {
		t.Errorf("got %+v with %v, want no picture", m, r.camera.pages)
	}
}

func TestLastVisitShows(t *testing.T) {
	var entries []Entry
	if err := json.Unmarshal([]byte(againLog), &entries); err != nil {
		t.Fatal(err)
	}
	v, _ := lastVisit(entries)
	if v.opened.HTML != "" || v.shown.HTML != "<main>second</main>" || v.says != "done" {
		t.Errorf("%+v", v)
	}
}

func TestStill(t *testing.T) {
	for _, test := range []struct{ name, html, want string }{
		{"with a head", `<html><head lang="en"><title>t</title></head><body>b</body>`, `<html><head lang="en"><base href="https://op.test/a?b&amp;c"><title>t</title></head><body>b</body>`},
		{"without", `<main>m</main>`, `<base href="https://op.test/a?b&amp;c"><main>m</main>`},
		{"a header is no head", `<header>h</header>`, `<base href="https://op.test/a?b&amp;c"><header>h</header>`},
		{"with scripts", "<head></head><script nonce=x>\ngo()\n</script><p>", `<head><base href="https://op.test/a?b&amp;c"></head><p>`},
	} {
		if got := still(Page{URL: "https://op.test/a?b&c", HTML: test.html}); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

// TestPrepare does what a module waits for, before that is started.
func TestPrepare(t *testing.T) {
	lazy := finishes(ResultPassed, passedLog)
	lazy.needsStart = true
	rig := func(t *testing.T, do func(context.Context, Run) error) (*rig, ModuleResult) {
		r := newRig(t, []string{"lazy"}, map[string]script{"lazy": lazy})
		r.Prepare = map[string]Preparation{"lazy": {Do: do, Limit: time.Minute}, "other": {Do: func(context.Context, Run) error {
			t.Error("another module is prepared")
			return nil
		}}}
		return r, r.one(t)
	}
	var done []string
	r, m := rig(t, func(_ context.Context, run Run) error {
		done = append(done, run.Name)
		return nil
	})
	if !m.Good() || !slices.Equal(done, []string{"run"}) || len(r.fake.started) != 1 {
		t.Errorf("got %+v, prepared %v, started %v", m, done, r.fake.started)
	}
	r, m = rig(t, func(context.Context, Run) error { return errors.New("no key") })
	if m.Good() || m.Trouble != "what it waits for was not done: no key" || len(r.fake.started) != 0 {
		t.Errorf("got %+v, started %v", m, r.fake.started)
	}
}
