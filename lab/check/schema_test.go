package check

import (
	"bytes"
	"encoding/json"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/lab/scenario"
)

var update = flag.Bool("update", false, "rewrite lab/scenario/schema.json")

const schemaFile = "../scenario/schema.json"

// The schema is made from the Go types that decode scenarios, their comments included, so the two agree; editors read the file.
func TestSchemaIsThatOfTheTypes(t *testing.T) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(makeSchema(t)); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(schemaFile, b.Bytes(), 0o644); err != nil { //nolint:gosec // for everybody to read
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, b.Bytes()) {
		t.Error("lab/scenario/schema.json is not what the types say: go test ./lab/check -run Schema -update")
	}
}

type object = map[string]any

func ref(name string) object { return object{"$ref": "#/$defs/" + name} }

// builder makes schemas of types; comments holds what the sources say about types ("reach") and fields ("reach.Pairs").
type builder struct {
	t        *testing.T
	comments map[string]string
}

func makeSchema(t *testing.T) object {
	b := &builder{t, comments(t, ".", "../scenario")}
	top := b.structure(reflect.TypeFor[scenario.Scenario]())
	props := top["properties"].(object)
	props["base"] = object{"type": "string", "description": "the scenario that this one builds on: what is not given here is as there"}
	props["without"] = object{"type": "array", "items": object{"type": "string"}, "description": "nodes of the base that are left out, with their links"}
	choice := object{"anyOf": []any{ref("scalar"), object{"type": "object", "additionalProperties": ref("scalar")}}}
	props["draw"] = object{"type": "object", "description": "values that the seed of a lab decides", "propertyNames": object{"pattern": `^[a-z][a-z0-9_]*( *, *[a-z][a-z0-9_]*)*$`},
		"additionalProperties": object{"anyOf": []any{object{"type": "string", "pattern": `^\d{1,9}\.\.\d{1,9}$`}, object{"type": "array", "minItems": 2, "items": choice}}}}
	top["required"] = []any{"name"}
	var steps []any
	own := object{
		"name": b.own("Name", "string"), "text": b.own("Text", "string"), "message": b.own("Message", "string"), "hint": b.own("Hint", "string"),
		"needs": object{"const": scenario.NeedsNetwork, "description": b.comments["Step.Needs"]},
	}
	for _, name := range sortedKeys(kinds) {
		typ := reflect.TypeOf(kinds[name]()).Elem()
		s := b.structure(typ)
		for k, v := range own {
			s["properties"].(object)[k] = v
		}
		s["properties"].(object)["check"] = object{"const": name}
		s["required"] = []any{"check"}
		if s["description"] = b.comments[typ.Name()]; s["description"] == "" {
			t.Errorf("check %s: its type %s has no comment", name, typ.Name())
		}
		steps = append(steps, s)
	}
	for key, what := range (object{"do": object{"type": "string"}, "parallel": object{"type": "array", "items": ref("step")}}) {
		steps = append(steps, object{"type": "object", "additionalProperties": false, "required": []any{key},
			"properties": object{key: what, "name": own["name"], "text": own["text"], "needs": own["needs"]}})
	}
	top["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	top["title"] = "scenario of getvpn-lab"
	top["$defs"] = object{
		"step":     object{"description": b.comments["Step"], "anyOf": sortedByText(steps)},
		"scalar":   object{"type": []any{"string", "number", "boolean"}},
		"variable": object{"type": "string", "pattern": `\$\{.*\}`, "description": "a reference to a variable"},
		"duration": object{"type": "string", "pattern": `^([0-9.]+(ns|us|µs|ms|s|m|h))+$|\$\{`, "description": "as in 1m30s"},
		"endpoint": object{"type": "string", "pattern": `^\S+ +\S+ +\S+/\S+$`, "description": b.comments["Endpoint"]},
		"route":    object{"type": "string", "pattern": `^\S+ +via +\S+$`, "description": b.comments["Route"]},
		"pair":     object{"type": "string", "pattern": `^[^-]+-.+$`, "description": b.comments["Pair"]},
		"pairs": object{"description": b.comments["Pairs"], "anyOf": []any{object{"enum": []any{"all", "neighbours"}},
			object{"type": "array", "items": ref("pair")}, ref("variable")}},
	}
	return top
}

// sortedByText gives a list its order, which a map's is not.
func sortedByText(list []any) []any {
	byText := map[string]any{}
	for _, v := range list {
		b, _ := json.Marshal(v) // maps of plain values
		byText[string(b)] = v
	}
	var out []any
	for _, k := range sortedKeys(byText) {
		out = append(out, byText[k])
	}
	return out
}

func (b *builder) own(field, typ string) object {
	return object{"type": typ, "description": b.comments["Step."+field]}
}

func (b *builder) structure(t reflect.Type) object {
	props := object{}
	for f := range t.Fields() {
		key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if key == "" || key == "-" {
			if f.IsExported() && key == "" {
				b.t.Errorf("%s.%s has no yaml key", t.Name(), f.Name)
			}
			continue
		}
		s := b.of(f.Type)
		if c := b.comments[t.Name()+"."+f.Name]; c != "" {
			s["description"] = c
		}
		props[key] = s
	}
	return object{"type": "object", "additionalProperties": false, "properties": props}
}

// of is the schema of a value. Where it is no text a variable may stand for it.
func (b *builder) of(t reflect.Type) object {
	or := func(s object) object { return object{"anyOf": []any{s, ref("variable")}} }
	switch t {
	case reflect.TypeFor[time.Duration]():
		return ref("duration")
	case reflect.TypeFor[netip.Prefix](), reflect.TypeFor[netip.Addr]():
		return object{"type": "string"}
	case reflect.TypeFor[scenario.Endpoint]():
		return ref("endpoint")
	case reflect.TypeFor[scenario.Route]():
		return ref("route")
	case reflect.TypeFor[scenario.Step]():
		return ref("step")
	case reflect.TypeFor[scenario.Kind]():
		return object{"enum": []any{"ks", "gm", "core", "host"}}
	case reflect.TypeFor[Pair]():
		return ref("pair")
	case reflect.TypeFor[Pairs]():
		return ref("pairs")
	}
	switch t.Kind() {
	case reflect.Pointer:
		return b.of(t.Elem())
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return or(object{"type": "boolean"})
	case reflect.Int, reflect.Uint16, reflect.Uint64:
		return or(object{"type": "integer"})
	case reflect.Float64:
		return or(object{"type": "number"})
	case reflect.Slice:
		return object{"type": "array", "items": b.of(t.Elem())}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": b.of(t.Elem())}
	case reflect.Struct:
		return b.structure(t)
	}
	b.t.Errorf("the schema knows no %v", t)
	return object{}
}

var space = regexp.MustCompile(`\s+`)

// comments reads what sources say about their types and fields.
func comments(t *testing.T, dirs ...string) map[string]string {
	t.Helper()
	out := map[string]string{}
	say := func(name string, groups ...*ast.CommentGroup) {
		for _, g := range groups {
			if text := strings.TrimSpace(space.ReplaceAllString(g.Text(), " ")); text != "" {
				out[name] = text
			}
		}
	}
	for _, dir := range dirs {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range f.Decls {
				g, ok := d.(*ast.GenDecl)
				if !ok || g.Tok != token.TYPE {
					continue
				}
				for _, s := range g.Specs {
					typ := s.(*ast.TypeSpec)
					say(typ.Name.Name, g.Doc, typ.Doc)
					if fields, ok := typ.Type.(*ast.StructType); ok {
						for _, f := range fields.Fields.List {
							for _, n := range f.Names {
								say(typ.Name.Name+"."+n.Name, f.Doc, f.Comment)
							}
						}
					}
				}
			}
		}
	}
	return out
}
