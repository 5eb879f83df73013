package conformance

import (
	"encoding/json"
	"html"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Entry is one line of a module's log.
type Entry struct {
	Source       string   `json:"src"` // the condition, or the part of the suite that speaks
	Message      string   `json:"msg"`
	Result       string   `json:"result"` // SUCCESS, FAILURE, WARNING, INFO, REVIEW, ... or empty
	HTTP         string   `json:"http"`   // request, response, incoming, ... or empty
	BlockID      string   `json:"blockId"`
	StartsBlock  bool     `json:"startBlock"`
	Time         int64    `json:"time"` // milliseconds since 1970
	Requirements []string `json:"requirements"`
	Upload       string   `json:"upload"` // the place of a picture that is still wanted
	// Rest is all that the condition adds.
	Rest map[string]json.RawMessage `json:"-"`
}

// known are the members that Rest does not repeat, and those that say nothing about a failure.
var known = []string{
	"_id", "testId", "testOwner", "src", "msg", "result", "http", "blockId", "startBlock", "time", "requirements",
	"upload", "img", "stacktrace", "_class", "updatedAt",
}

// UnmarshalJSON implements json.Unmarshaler. Members of an unexpected type are left out rather than refused: the
// log is for people.
func (e *Entry) UnmarshalJSON(raw []byte) error {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(raw, &all); err != nil {
		return err
	}
	*e = Entry{Rest: map[string]json.RawMessage{}}
	for name, into := range map[string]any{
		"src": &e.Source, "msg": &e.Message, "result": &e.Result, "http": &e.HTTP, "blockId": &e.BlockID,
		"startBlock": &e.StartsBlock, "time": &e.Time, "requirements": &e.Requirements, "upload": &e.Upload,
	} {
		if value, ok := all[name]; ok {
			_ = json.Unmarshal(value, into) // see above
		}
	}
	for name, value := range all {
		if !slices.Contains(known, name) {
			e.Rest[name] = value
		}
	}
	return nil
}

// text is a member of the entry that is a string.
func (e *Entry) text(name string) string {
	var s string
	if raw, ok := e.Rest[name]; ok && json.Unmarshal(raw, &s) == nil {
		return s
	}
	return ""
}

// Finding is a condition that did not succeed.
type Finding struct {
	Result       string   `json:"result"` // FAILURE or WARNING
	Condition    string   `json:"condition"`
	Message      string   `json:"message"`
	Block        string   `json:"block,omitempty"` // the part of the module that it is in
	Requirements []string `json:"requirements,omitempty"`
	// Details are the condition's own: what it saw and what it wanted. At most 2,000 bytes each.
	Details map[string]string `json:"details,omitempty"`
	// Exchange is the last HTTP exchange before it.
	Exchange string `json:"exchange,omitempty"`
	// Expected is the reason for which it is accepted; "" = it is not.
	Expected string `json:"expected,omitempty"`
}

// maxDetail bounds what a finding keeps of one detail.
const maxDetail = 2000

// findings lists the conditions of the log that failed or warned, in its order.
func findings(entries []Entry) []Finding {
	var found []Finding
	blocks := map[string]string{}
	exchange := ""
	for _, e := range entries {
		if e.StartsBlock {
			blocks[e.BlockID] = e.Message
		}
		if e.HTTP != "" {
			exchange = addExchange(exchange, e)
		}
		if e.Result != "FAILURE" && e.Result != ResultWarning {
			continue
		}
		found = append(found, Finding{
			Result: e.Result, Condition: e.Source, Message: e.Message, Block: blocks[e.BlockID],
			Requirements: e.Requirements, Details: details(e), Exchange: exchange,
		})
	}
	return found
}

func details(e Entry) map[string]string {
	if len(e.Rest) == 0 {
		return nil
	}
	out := make(map[string]string, len(e.Rest))
	for name, raw := range e.Rest {
		text := string(raw)
		var s string
		if json.Unmarshal(raw, &s) == nil {
			text = s
		}
		out[name] = shorten(text, maxDetail)
	}
	return out
}

// addExchange keeps the latest request, without its query, and the answer to it. What an answer says is kept when it
// is an error.
func addExchange(before string, e Entry) string {
	switch e.HTTP {
	case "request":
		address, _, _ := strings.Cut(e.text("request_uri"), "?")
		return strings.TrimSpace(e.text("request_method") + " " + address)
	case "redirect-in":
		came := ""
		for _, name := range []string{"url_query", "url_fragment", "post_body"} {
			if text := string(e.Rest[name]); text != "" && text != "{}" && text != "null" {
				came += " " + shorten(text, 400)
			}
		}
		return "the browser came back with" + came
	case "response":
		status := e.text("response_status_code") + plain(e.Rest["response_status_code"])
		answer := status
		if !strings.HasPrefix(status, "2") {
			answer += " " + shorten(strings.TrimSpace(pageText(e.text("response_body")+e.text("response_content"))), 400)
		}
		if request, _, answered := strings.Cut(before, " -> "); answered {
			before = request
		}
		return before + " -> " + strings.TrimSpace(answer)
	}
	return before
}

// plain is a JSON number as a text.
func plain(raw json.RawMessage) string {
	if len(raw) > 0 && raw[0] >= '0' && raw[0] <= '9' {
		return string(raw)
	}
	return ""
}

// providerTime is for how long the suite waited for answers to its own HTTP requests: to the provider and the
// resource server, together with the network between.
func providerTime(entries []Entry) time.Duration {
	var total, asked int64
	for _, e := range entries {
		switch {
		case e.HTTP == "request" && e.Source != browserSource:
			asked = e.Time
		case e.HTTP == "response" && e.Source != browserSource && asked > 0:
			total += max(0, e.Time-asked)
			asked = 0
		}
	}
	return time.Duration(total) * time.Millisecond
}

// browserSource is how the suite's scripted browser signs its log entries.
const browserSource = "WebRunner"

// Page is what the suite's browser opened: the address, and GET or POST.
type Page struct {
	URL, Method string
	// HTML is what the browser got; "" = not known. With it the page need not be opened again.
	HTML string
}

// stay is where the suite's browser is.
type stay struct {
	opened Page   // what it was sent to
	shown  Page   // the last of the provider's pages that it got since
	at     string // the address at which it is; "" = not known
	says   string // the text of the last page that it got
}

// lastVisit finds the browser's last visit; ok is false when it was not used.
func lastVisit(entries []Entry) (v stay, ok bool) {
	for _, e := range entries {
		if e.Source != browserSource {
			continue
		}
		if e.HTTP == "request" {
			v, ok = stay{opened: Page{URL: e.text("request_uri"), Method: e.text("request_method")}}, true
		}
		// The end of an earlier visit can be told after the beginning of this one.
		if at := e.text("url"); at != "" && (v.at == "" || !strings.HasPrefix(e.Message, "Completed processing")) {
			v.at = at
		}
		for _, name := range []string{"body", "response_content"} {
			page := e.text(name)
			if text := pageText(page); text != "" {
				v.says = text
			}
			// The suite's own pages have no main element.
			if strings.Contains(page, "<main") {
				v.shown = Page{URL: v.opened.URL, HTML: page}
			}
		}
	}
	return v, ok
}

var (
	unread = regexp.MustCompile(`(?is)<(head|script|style)\b.*?</(head|script|style)>`)
	tags   = regexp.MustCompile(`(?s)<[^>]*>`)
)

// pageText is what a page says, without its markup, in at most 400 bytes.
func pageText(page string) string {
	if _, main, ok := strings.Cut(page, "<main"); ok {
		page = "<main" + main
	}
	page = tags.ReplaceAllString(unread.ReplaceAllString(page, " "), " ")
	return shorten(strings.Join(strings.Fields(html.UnescapeString(page)), " "), 400)
}
