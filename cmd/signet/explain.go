package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"signet/provider"
)

// keyDoc is the reference of one configuration key, read from the source of provider.Config: the comments
// there are the only text about it.
type keyDoc struct {
	Key      string   `json:"key"`
	Type     string   `json:"type"`
	Text     string   `json:"text"`
	Children []string `json:"children,omitempty"`
}

func (c *console) configExplainCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "explain [KEY]",
		Short: "Print the reference of a configuration key, or of all",
		Long: `Prints what a key means, its unit and its default. KEY is written as in the file's faults:
keys.publish_for, resources.token_format. Without KEY it prints all keys.`,
		Example: "  signet config explain keys\n  signet config explain resources.token_format",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			docs, err := configReference(provider.ConfigSource()...)
			if err != nil {
				return err
			}
			prefix := ""
			if len(args) == 1 {
				prefix = args[0]
			}
			return c.explain(docs, prefix)
		},
	}
}

// explain prints the key and all below it.
func (c *console) explain(docs []keyDoc, prefix string) error {
	var chosen []keyDoc
	for _, d := range docs {
		if prefix == "" || d.Key == prefix || strings.HasPrefix(d.Key, prefix+".") {
			chosen = append(chosen, d)
		}
	}
	if len(chosen) == 0 {
		return next(fmt.Errorf("there is no key %q", prefix), "\"signet config explain\" prints all keys")
	}
	if c.json {
		return writeJSON(c.out, chosen)
	}
	for _, d := range chosen {
		if _, err := fmt.Fprintf(c.out, "%s (%s)\n", d.Key, d.Type); err != nil {
			return err
		}
		for _, line := range wrapWords(d.Text, 90) {
			if _, err := fmt.Fprintln(c.out, "    "+line); err != nil {
				return err
			}
		}
	}
	return nil
}

// configReference walks the struct declarations from Config downwards.
func configReference(sources ...string) ([]keyDoc, error) {
	types := map[string]*typeDoc{}
	for _, source := range sources {
		file, err := parser.ParseFile(token.NewFileSet(), "", source, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		collectTypes(file, types)
	}
	if types["Config"] == nil {
		return nil, errors.New("the source has no struct Config")
	}
	return types["Config"].keys("", types), nil
}

func collectTypes(file *ast.File, types map[string]*typeDoc) {
	for _, declaration := range file.Decls {
		general, ok := declaration.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range general.Specs {
			if named, ok := spec.(*ast.TypeSpec); ok {
				if body, ok := named.Type.(*ast.StructType); ok {
					types[named.Name.Name] = &typeDoc{text: general.Doc.Text(), body: body}
				}
			}
		}
	}
}

type typeDoc struct {
	text string
	body *ast.StructType
}

func (t *typeDoc) keys(prefix string, types map[string]*typeDoc) []keyDoc {
	var docs []keyDoc
	shared := "" // "Certificate and Key are ...": one comment for a group of fields
	for _, field := range t.body.Fields.List {
		for range field.Names {
			key := yamlKey(field)
			if key == "" {
				continue
			}
			doc := keyDoc{Key: prefix + key, Type: typeName(field.Type), Text: fieldText(field)}
			child := types[elementName(field.Type)]
			if child == nil {
				if doc.Text == "" {
					doc.Text = shared
				}
				shared = doc.Text
				docs = append(docs, doc)
				continue
			}
			doc.Text = strings.TrimSpace(doc.Text + " " + sentence(child.text, elementName(field.Type)))
			below := child.keys(prefix+key+".", types)
			for _, b := range below {
				doc.Children = append(doc.Children, b.Key)
			}
			docs = append(append(docs, doc), below...)
		}
	}
	return docs
}

func yamlKey(field *ast.Field) string {
	if field.Tag == nil {
		return ""
	}
	text, err := strconv.Unquote(field.Tag.Value)
	if err != nil {
		return ""
	}
	return reflect.StructTag(text).Get("yaml")
}

// fieldText is the comment above the field or behind it, without the Go name at its start.
func fieldText(field *ast.Field) string {
	text := field.Doc.Text()
	if text == "" {
		text = field.Comment.Text()
	}
	return sentence(text, field.Names[0].Name)
}

// sentence leaves out the Go name that a comment begins with, and after it "is" or "are".
func sentence(text, name string) string {
	text = strings.Join(strings.Fields(text), " ")
	rest, ok := strings.CutPrefix(text, name+" ")
	if !ok {
		return text
	}
	switch verb, more, _ := strings.Cut(rest, " "); {
	case verb == "is" || verb == "are":
		return more
	case strings.HasSuffix(verb, "s"):
		return rest
	default: // another name follows
		return text
	}
}

func elementName(expression ast.Expr) string {
	switch e := expression.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.ArrayType:
		return elementName(e.Elt)
	case *ast.StarExpr:
		return elementName(e.X)
	}
	return ""
}

// typeName is the type in words for people who write YAML.
func typeName(expression ast.Expr) string {
	switch e := expression.(type) {
	case *ast.ArrayType:
		return "list of " + typeName(e.Elt)
	case *ast.StarExpr:
		return typeName(e.X)
	case *ast.SelectorExpr:
		if e.Sel.Name == "Duration" {
			return `duration, like "5m"`
		}
		return "text"
	case *ast.Ident:
		switch e.Name {
		case "string", "TokenFormat", "MigrateMode", "KeyBackend", "LoginHint", "PKCEMode", "TokenLayout", "IDTokenClaims", "AssertionUse", "AssertionSubject":
			return "text"
		case "bool":
			return "true or false"
		case "int64", "int":
			return "whole number"
		case "float64":
			return "number"
		}
	}
	return "mapping"
}
