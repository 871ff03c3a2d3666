package topologies

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// Every scenario that comes with the program is one by the schema, and what is none by the schema is found.
func TestScenariosAreOfTheSchema(t *testing.T) {
	text, err := os.ReadFile("../scenario/schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var s schema
	if err := json.Unmarshal(text, &s.root); err != nil {
		t.Fatal(err)
	}
	for _, name := range Names() {
		b, err := read(name)
		if err != nil {
			t.Fatal(err)
		}
		var v map[string]any
		if err := yaml.Unmarshal(b, &v); err != nil {
			t.Fatal(err)
		}
		for _, m := range s.check(s.root, v, name) {
			t.Error(m)
		}
		for what, broken := range map[string]func(){
			"an unknown key":     func() { v["colour"] = "red" },
			"a kind":             func() { v["nodes"] = []any{map[string]any{"name": "x", "kind": "router"}} },
			"a check":            func() { v["steps"] = []any{map[string]any{"check": "reach", "pairs": "some"}} },
			"a parameter":        func() { v["steps"] = []any{map[string]any{"check": "reach", "pairs": "all", "speed": 1}} },
			"a duration":         func() { v["steps"] = []any{map[string]any{"check": "reach", "pairs": "all", "within": "soon"}} },
			"a task":             func() { v["tasks"] = []any{map[string]any{"name": "x", "point": 1}} },
			"a draw of nothing":  func() { v["draw"] = map[string]any{"x": []any{"one"}} },
			"a link's end":       func() { v["links"] = []any{map[string]any{"ends": []any{"gm1 wan0"}}} },
			"a check in no step": func() { v["steps"] = []any{map[string]any{"pairs": "all"}} },
		} {
			if err := yaml.Unmarshal(b, &v); err != nil {
				t.Fatal(err)
			}
			delete(v, "colour")
			broken()
			if len(s.check(s.root, v, name)) == 0 {
				t.Errorf("%s: the schema does not see %s", name, what)
			}
		}
	}
}

// schema checks values by as much of JSON Schema (draft 2020-12) as ours uses, and refuses what it does not know.
type schema struct{ root map[string]any }

func (s *schema) check(sch map[string]any, v any, at string) (out []string) {
	bad := func(format string, args ...any) { out = append(out, at+": "+fmt.Sprintf(format, args...)) }
	for key, want := range sch {
		switch key {
		case "$schema", "$defs", "title", "description":
		case "$ref":
			def := s.root["$defs"].(map[string]any)[strings.TrimPrefix(want.(string), "#/$defs/")]
			out = append(out, s.check(def.(map[string]any), v, at)...)
		case "type":
			types, many := want.([]any)
			if !many {
				types = []any{want}
			}
			if !slices.ContainsFunc(types, func(t any) bool { return is(v, t.(string)) }) {
				bad("%v is no %v", v, want)
			}
		case "const":
			if v != want {
				bad("%v is not %v", v, want)
			}
		case "enum":
			if !slices.Contains(want.([]any), v) {
				bad("%v is none of %v", v, want)
			}
		case "pattern":
			if text, ok := v.(string); ok && !regexp.MustCompile(want.(string)).MatchString(text) {
				bad("%q does not match %s", text, want)
			}
		case "anyOf":
			var all []string
			fits := false
			for _, w := range want.([]any) {
				m := s.check(w.(map[string]any), v, at)
				fits, all = fits || len(m) == 0, append(all, m...)
			}
			if !fits {
				bad("%v is nothing that it may be: %s", v, strings.Join(all[:min(3, len(all))], "; "))
			}
		case "minItems":
			if l, ok := v.([]any); ok && len(l) < int(want.(float64)) {
				bad("%d entries, at least %v", len(l), want)
			}
		case "items":
			list, _ := v.([]any)
			for i, e := range list {
				out = append(out, s.check(want.(map[string]any), e, fmt.Sprintf("%s[%d]", at, i))...)
			}
		case "required":
			for _, k := range want.([]any) {
				if m, ok := v.(map[string]any); ok && m[k.(string)] == nil {
					bad("%v is missing", k)
				}
			}
		case "propertyNames", "properties", "additionalProperties":
			out = append(out, s.members(sch, key, v, at)...)
		default:
			bad("the test knows no %q", key)
		}
	}
	return out
}

func (s *schema) members(sch map[string]any, key string, v any, at string) (out []string) {
	m, _ := v.(map[string]any)
	known, _ := sch["properties"].(map[string]any)
	for k, e := range m {
		at := at + "." + k
		switch want, _ := sch[key].(map[string]any); {
		case key == "propertyNames":
			out = append(out, s.check(want, k, at)...)
		case key == "properties" && known[k] != nil:
			out = append(out, s.check(known[k].(map[string]any), e, at)...)
		case key == "additionalProperties" && known[k] == nil && want == nil:
			out = append(out, at+": unknown")
		case key == "additionalProperties" && known[k] == nil:
			out = append(out, s.check(want, e, at)...)
		}
	}
	return out
}

func is(v any, typ string) bool {
	switch v := v.(type) {
	case string:
		return typ == "string"
	case bool:
		return typ == "boolean"
	case int, int64, uint64:
		return typ == "integer" || typ == "number"
	case float64:
		return typ == "number" || typ == "integer" && v == float64(int64(v))
	case []any:
		return typ == "array"
	case map[string]any:
		return typ == "object"
	}
	return false
}
