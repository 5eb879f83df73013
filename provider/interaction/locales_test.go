package interaction

import (
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"signet/provider/oauth"
)

// embeddedFiles are the files as they are, by language.
func embeddedFiles(t *testing.T) map[string]localeFile {
	t.Helper()
	names, err := fs.Glob(embeddedLocales, "locales/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]localeFile{}
	for _, name := range names {
		raw, err := embeddedLocales.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var file localeFile
		if err := yaml.UnmarshalWithOptions(raw, &file, yaml.Strict()); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		files[strings.TrimSuffix(filepath.Base(name), ".yaml")] = file
	}
	return files
}

// Every message is in every file, with all that is filled in and with each form that the language has.
func TestEveryLanguageIsComplete(t *testing.T) {
	files := embeddedFiles(t)
	for _, tag := range []string{"de", "en", "fi", "pt"} {
		if _, there := files[tag]; !there {
			t.Errorf("there is no %s", tag)
		}
	}
	reference := slices.Sorted(maps.Keys(files[english].Messages))
	for tag, file := range files {
		if diff := cmp.Diff(reference, slices.Sorted(maps.Keys(file.Messages))); diff != "" {
			t.Errorf("%s: %s", tag, diff)
		}
		in := tongue(t, tag)
		if len(in.missing) != 0 {
			t.Errorf("%s: %v", tag, in.missing)
		}
		categories := append(slices.Sorted(maps.Keys(file.Plurals)), other)
		for name, texts := range file.Messages {
			if diff := cmp.Diff(tongue(t, english).messages[name].blanks(), in.messages[name].blanks()); diff != "" {
				t.Errorf("%s, %s: %s", tag, name, diff)
			}
			want := []string{other}
			if slices.Contains(in.messages[name].blanks(), "n") {
				want = slices.Sorted(slices.Values(categories))
			}
			if diff := cmp.Diff(want, slices.Sorted(maps.Keys(texts))); diff != "" {
				t.Errorf("%s, %s, forms: %s", tag, name, diff)
			}
		}
	}
}

// What is said is typed as people write: no double spaces, no straight quotes, no markup, a full stop where English has one.
func TestMessagesAreWellFormed(t *testing.T) {
	odd := regexp.MustCompile(`\s\s|^\s|\s$|\n|["'<>&]|\s[.,;:?!]|\.\.`)
	files := embeddedFiles(t)
	for tag, file := range files {
		for name, texts := range file.Messages {
			for form, text := range texts {
				if found := odd.FindString(text); found != "" {
					t.Errorf("%s, %s, %s: %q in %q", tag, name, form, found, text)
				}
			}
			if strings.HasSuffix(texts[other], ".") != strings.HasSuffix(files[english].Messages[name][other], ".") {
				t.Errorf("%s, %s: it is a sentence here or in English, and not in the other", tag, name)
			}
		}
	}
}

// Each message is said somewhere, and whatever is said somewhere is a message.
func TestMessagesAreUsed(t *testing.T) {
	used := map[string]bool{}
	calls := regexp.MustCompile(`\b(?:text|say|plain) "([a-z_.]+)"|\.(?:text|say|plain)\("([a-z_.]+)"[,)]|"(consent\.[a-z_]+)"`)
	for _, pattern := range []string{"templates/*.html", "*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			raw, err := os.ReadFile(file)
			if err != nil || strings.HasSuffix(file, "_test.go") {
				continue
			}
			for _, found := range calls.FindAllStringSubmatch(string(raw), -1) {
				used[found[1]+found[2]+found[3]] = true
			}
		}
	}
	for _, kind := range []string{kindAnswered, kindExpired, kindBusy, kindFailed, kindMissing, kindRefused} {
		used["error."+kind], used["error."+kind+"_advice"] = true, true
	}
	for _, use := range []string{"lasts", "wait", "ago", "left"} {
		for _, unit := range []string{"second", "minute", "hour", "day"} {
			used["duration."+use+"."+unit] = true
		}
	}
	in := tongue(t, english)
	for name := range in.messages {
		free := strings.HasPrefix(name, "scope.") || strings.HasPrefix(name, "error.why.") // named by what they are about
		if !used[name] && !free {
			t.Errorf("nobody says %s", name)
		}
	}
	for name := range used {
		if !in.has(name) {
			t.Errorf("there is no message %s", name)
		}
	}
	for _, scope := range oauth.StandardScopes {
		if !in.has("scope." + scope) {
			t.Errorf("no words for scope %s", scope)
		}
	}
}

// languagesOf lists the languages of pages with the folder.
func languagesOf(folder fs.FS) ([]string, error) {
	all, err := readLanguages(folder)
	if err != nil {
		return nil, err
	}
	return all.tags(), nil
}

func TestLanguages(t *testing.T) {
	got, err := languagesOf(nil)
	if diff := cmp.Diff([]string{"de", "en", "fi", "pt"}, got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	got, err = languagesOf(fstest.MapFS{"sv.yaml": localeOf("Logga in"), "pt-PT.yaml": localeOf("Iniciar sessão"), "README.md": {}, "more/da.yaml": {}})
	if diff := cmp.Diff([]string{"de", "en", "fi", "pt", "pt-PT", "sv"}, got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
}

// A folder adds languages and changes single messages; what it leaves out comes from the language that is nearest.
func TestFolder(t *testing.T) {
	folder := fstest.MapFS{
		"pt-PT.yaml": {Data: []byte("messages:\n  login.password: Palavra-passe\n")},
		"de.yaml":    {Data: []byte("messages:\n  login.title: Log-in\nwords:\n  See your accounts: Ihre Konten sehen\n  Accounts API: Kontodienst\n  Help: Hilfe\n")},
		"en.yaml":    {Data: []byte("messages:\n  consent.lead: Do you agree?\n  login.cancel: Never mind\n")},
		"he.yaml": {Data: []byte("direction: rtl\nplurals: {one: i = 1 and v = 0, two: i = 2 and v = 0}\n" +
			"messages:\n  login.title: כניסה\n  duration.wait.minute: {one: \"x {n}\", two: \"xx {n}\", other: \"y {n}\"}\n")},
		"zh-Hant.yaml": {Data: []byte("messages: {consent.lead: \"{client} 請求存取\"}\n")},
	}
	all, err := readLanguages(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ tag, name, want string }{
		{"pt-PT", "login.password", "Palavra-passe"}, {"pt-PT", "login.username", "Usuário"}, {"pt", "login.password", "Senha"},
		{"de", "login.title", "Log-in"}, {"de", "login.password", "Passwort"},
		{"he", "login.title", "כניסה"}, {"he", "login.cancel", "Never mind"}, {"en", "consent.lead", "Do you agree?"},
	} {
		if got := all.lookup([]string{c.tag}).text(c.name); got != c.want {
			t.Errorf("%s, %s: %q, want %q", c.tag, c.name, got, c.want)
		}
	}
	he := all.lookup([]string{"he"})
	if got := he.text("duration.wait.minute", "n", 2); got != "xx 2" || he.direction != "rtl" {
		t.Errorf("%q, direction %q", got, he.direction)
	}
	if got := he.text("duration.wait.hour", "n", 2); got != "in 2 hours" { // English numbers are English
		t.Errorf("%q", got)
	}
	if len(he.missing) == 0 || len(all.lookup([]string{"pt-PT"}).missing) != 0 {
		t.Error("it is not known what is missing")
	}

	var log strings.Builder
	r := newRig(t, func(d *Deps) {
		d.Locales, d.Log = folder, slog.New(slog.NewTextHandler(&log, nil))
		d.Brand = Brand{Links: []Link{{"Help", "https://bank.example/help"}}}
	})
	body := r.ask(func(req *oauth.AuthorizationRequest) { req.UILocales = []string{"de"} })
	for _, want := range []string{"Ihre Konten sehen", "Kontodienst", ">Hilfe</a>", "Sie bei der Anmeldung wiedererkennen"} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in %s", want, body)
		}
	}
	if body = r.ask(func(req *oauth.AuthorizationRequest) { req.UILocales = []string{"he"} }); !strings.Contains(body, `<html lang="he" dir="rtl">`) {
		t.Error(body)
	}
	if !strings.Contains(log.String(), "language=he") || strings.Contains(log.String(), "language=pt-PT") {
		t.Error(log.String())
	}
}

// All faults of a folder are named at once, and none is passed over.
func TestFolderFaults(t *testing.T) {
	for name, c := range map[string]struct {
		file, content string
		want          []string
	}{
		"not a language":   {"deutsch_neu.yaml", "", []string{"deutsch_neu.yaml", "not that of a language"}},
		"unknown messages": {"sv.yaml", "messages: {login.titel: x, y: z}", []string{"sv.yaml", `"login.titel"`, `"y"`}},
		"unknown section":  {"sv.yaml", "mesages: {}", []string{"sv.yaml", "mesages"}},
		"unknown blank":    {"sv.yaml", "messages: {login.lead: 'till {klient}'}", []string{"login.lead", "{klient}"}},
		"braces":           {"sv.yaml", "messages: {login.lead: 'till {client'}", []string{"login.lead", "braces"}},
		"empty message":    {"sv.yaml", "messages: {login.lead: ''}", []string{"login.lead"}},
		"list":             {"sv.yaml", "messages: {login.lead: [a, b]}", []string{"sv.yaml"}},
		"form":             {"sv.yaml", "messages: {duration.lasts.day: {one: x, dual: y, other: z}}", []string{"dual"}},
		"no other form":    {"sv.yaml", "messages: {duration.lasts.day: {one: x}}", []string{"other"}},
		"plurals":          {"sv.yaml", "plurals: {one: n is 1}", []string{"n is 1"}},
		"direction":        {"sv.yaml", "direction: up", []string{"ltr or rtl"}},
		"twice":            {"sv.yaml", "messages:\n  login.lead: a\n  login.lead: b\n", []string{"sv.yaml", "login.lead"}},
		"not YAML":         {"sv.yaml", "{", []string{"sv.yaml"}},
		"no such folder":   {"sv.yml", "", []string{"<language>.yaml"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := languagesOf(fstest.MapFS{c.file: {Data: []byte(c.content)}})
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("no %s in %v", want, err)
				}
			}
		})
	}
	if _, err := languagesOf(os.DirFS(filepath.Join(t.TempDir(), "none"))); err == nil {
		t.Error("a folder that is not there was taken")
	}
}

func FuzzLocaleFile(f *testing.F) {
	f.Add("messages: {login.lead: 'till {client}'}")
	f.Add("direction: rtl\nplurals: {one: i = 1 and v = 0}\nmessages: {duration.lasts.day: {one: x, other: '{n}'}}\nwords: {a: b}")
	f.Fuzz(func(t *testing.T, content string) {
		all, err := readLanguages(fstest.MapFS{"sv.yaml": {Data: []byte(content)}})
		if err != nil {
			return
		}
		for name, m := range all.byTag["sv"].messages {
			var args []any
			for _, blank := range m.blanks() {
				args = append(args, blank, "x")
			}
			if _, err := all.byTag["sv"].say(name, args...); err != nil {
				t.Error(err)
			}
		}
	})
}
