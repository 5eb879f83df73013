package interaction

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/goccy/go-yaml"
)

//go:embed locales/*.yaml
var embeddedLocales embed.FS

// english is the language that says which messages there are, and in which a page is when there is no better one.
const english = "en"

// localeFile is one language's file. What it has is described in locales/en.yaml.
type localeFile struct {
	Direction string            `yaml:"direction"`
	Plurals   map[string]string `yaml:"plurals"`
	Messages  map[string]forms  `yaml:"messages"`
	Words     map[string]string `yaml:"words"`
}

// forms are the texts of a message by plural category; what has no number has other alone.
type forms map[string]string

// UnmarshalYAML takes one text, or one for each category.
func (f *forms) UnmarshalYAML(decode func(any) error) error {
	var text string
	if decode(&text) == nil {
		*f = forms{other: text}
		return nil
	}
	var all map[string]string
	if err := decode(&all); err != nil {
		return errors.New("a message is a text, or a text for each plural category")
	}
	*f = all
	return nil
}

// language is a language that pages can be in.
type language struct {
	tag       string // BCP 47
	direction string // rtl, or "" for from left to right
	rules     plurals
	messages  map[string]message // complete, once finish has been called
	words     map[string]string
	missing   []string // messages that are in English for want of others
}

// languages are all of them.
type languages struct {
	byTag     map[string]*language // by tag in lower case
	english   *language
	reference map[string]message // our own English ones: what there is to say, and what is filled in
}

// Languages lists the languages that the pages are in, as ui_locales_supported has them (OpenID Connect Discovery
// section 3): those of Signet, and those of [Deps.Locales], if any.
func (p *Pages) Languages() []string { return p.languages.tags() }

func (l *languages) tags() []string {
	var tags []string
	for _, one := range l.byTag {
		tags = append(tags, one.tag)
	}
	slices.Sort(tags)
	return tags
}

// readLanguages takes our own files and then those of the folder, unless it is nil, which may say more or differently.
func readLanguages(folder fs.FS) (*languages, error) {
	files, err := ownLocales()
	if err != nil {
		return nil, err
	}
	all := &languages{byTag: map[string]*language{}}
	err = all.add(english, files[english])
	all.reference = maps.Clone(all.english.messages)
	faults := append([]error{err}, all.addAll(files)...)
	if folder != nil {
		files, err = parseFolder(folder)
		faults = append(append(faults, err), all.addAll(files)...)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	all.finish()
	return all, nil
}

// ownLocales are the embedded files. They are parsed once.
var ownLocales = sync.OnceValues(func() (map[string]localeFile, error) {
	own, err := fs.Sub(embeddedLocales, "locales")
	if err != nil {
		return nil, err
	}
	return parseFolder(own)
})

// languageTag is the common part of the form of a tag (RFC 5646 section 2.1).
var languageTag = regexp.MustCompile(`^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$`)

// parseFolder parses the files <language>.yaml of a folder. The error names all that are not right.
func parseFolder(folder fs.FS) (map[string]localeFile, error) {
	names, err := fs.Glob(folder, "*.yaml")
	if err != nil || len(names) == 0 {
		return nil, fmt.Errorf("locales: there is no file <language>.yaml: %w", errors.Join(err, fs.ErrNotExist))
	}
	files := map[string]localeFile{}
	var faults []error
	for _, name := range names {
		tag := strings.TrimSuffix(name, ".yaml")
		if !languageTag.MatchString(tag) {
			faults = append(faults, fmt.Errorf("locales: %s: the name is not that of a language, such as sv or pt-PT", name))
			continue
		}
		var file localeFile
		raw, err := fs.ReadFile(folder, name)
		if err == nil {
			err = yaml.UnmarshalWithOptions(raw, &file, yaml.Strict())
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("locales: %s: %w", name, err))
			continue
		}
		files[tag] = file
	}
	return files, errors.Join(faults...)
}

func (l *languages) addAll(files map[string]localeFile) (faults []error) {
	for _, tag := range slices.Sorted(maps.Keys(files)) {
		if err := l.add(tag, files[tag]); err != nil {
			faults = append(faults, fmt.Errorf("locales: %s.yaml: %w", tag, err))
		}
	}
	return faults
}

// add takes what a file says: a language, or more of one that there is.
func (l *languages) add(tag string, file localeFile) error {
	key := strings.ToLower(tag)
	to := l.byTag[key]
	if to == nil {
		to = &language{tag: tag, messages: map[string]message{}, words: map[string]string{}}
		l.byTag[key] = to
	}
	if l.english == nil {
		l.english = to
	}
	var faults []error
	switch file.Direction {
	case "ltr":
		to.direction = ""
	case "rtl":
		to.direction = file.Direction
	case "":
	default:
		faults = append(faults, errors.New("direction must be ltr or rtl"))
	}
	if file.Plurals != nil {
		rules, err := parsePlurals(file.Plurals)
		faults, to.rules = append(faults, err), rules
	}
	for _, name := range slices.Sorted(maps.Keys(file.Messages)) {
		made, err := makeMessage(to, file.Messages[name])
		if err == nil && l.reference != nil {
			err = made.within(l.reference, name)
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("message %q: %w", name, err))
		}
		to.messages[name] = made
	}
	maps.Copy(to.words, file.Words)
	return errors.Join(faults...)
}

// finish completes each language from the one that it is a kind of, and from English.
func (l *languages) finish() {
	tags := slices.SortedFunc(maps.Keys(l.byTag), func(a, b string) int { return len(a) - len(b) })
	for _, tag := range tags {
		one := l.byTag[tag]
		from := l.lookup([]string{shorten(tag)})
		if from == nil {
			from = l.english
		}
		if one == from {
			continue
		}
		if one.rules == nil {
			one.rules = from.rules
		}
		if from != l.english && one.direction == "" {
			one.direction = from.direction
		}
		for _, name := range slices.Sorted(maps.Keys(from.messages)) {
			if _, there := one.messages[name]; there {
				continue
			}
			one.messages[name] = from.messages[name]
			if from.messages[name].of == l.english {
				one.missing = append(one.missing, name)
			}
		}
		for text, translation := range from.words {
			if _, there := one.words[text]; !there {
				one.words[text] = translation
			}
		}
	}
}
