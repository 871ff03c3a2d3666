// Package openapi makes the description of the control API from what package control is made of: the table of its routes, the
// Go types of what is asked and answered, and the comments at their fields. Tests compare it with the file that daemons
// serve, so that none of the three can change alone.
package openapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/getvpn/getvpn/daemon/control"
)

// object is a JSON object; its keys are written sorted.
type object = map[string]any

const about = `HTTP with JSON over a unix socket: curl --unix-socket /run/getvpn/ks1.sock http://x/v1/snapshot

The role of a caller comes from the credentials of its process: root and the daemon's own user are operators, everybody else
who can open the socket is a viewer and may only GET. Answers may get further fields with time; a client must ignore those that
it does not know. In an answer, null in place of an array means an empty one. Key material is never in an answer.`

// Document is the description. dir is the source folder of package control, whose comments it takes.
func Document(dir string) ([]byte, error) {
	docs, err := comments(dir)
	if err != nil {
		return nil, err
	}
	s := &schemas{docs: docs, all: object{}}
	failure := object{"description": "Not done: error says what, where, and what to do.", "content": content("application/json", s.of(reflect.TypeFor[control.Reply]()))}
	paths := object{}
	for _, r := range control.Routes() {
		op := object{
			"operationId": r.Name(), "summary": r.Summary, "x-caller": control.CallerViewer,
			"responses": object{"200": s.answer(&r), "default": failure},
		}
		if r.Operator {
			op["x-caller"] = control.CallerOperator
		}
		if r.For != "" {
			op["x-daemon"] = r.For
		}
		if p := parameters(&r); len(p) > 0 {
			op["parameters"] = p
		}
		if r.Body != nil {
			op["requestBody"] = object{"content": content("application/json", s.request(reflect.TypeOf(r.Body)))}
		}
		at, _ := paths[r.Path].(object)
		if at == nil {
			at = object{}
			paths[r.Path] = at
		}
		at[strings.ToLower(r.Method)] = op
	}
	if unused := s.unused(); len(unused) > 0 {
		return nil, fmt.Errorf("openapi: words for fields that there are not: %s", strings.Join(unused, ", "))
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	err = enc.Encode(object{
		"openapi":           "3.1.0",
		"jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
		"info":              object{"title": "getvpn control API", "version": control.APIVersion, "description": about},
		"servers":           []any{object{"url": "http://localhost", "description": "the unix socket that the daemon's configuration names under control"}},
		"paths":             paths,
		"components":        object{"schemas": s.all},
	})
	return out.Bytes(), err
}

func content(kind string, schema object) object { return object{kind: object{"schema": schema}} }

// answer describes the answer of a route that is not a failure.
func (s *schemas) answer(r *control.Route) object {
	switch {
	case r.Answer == nil:
		return object{"description": "This file.", "content": content("application/json", object{"type": "object"})}
	case r.Stream:
		return object{
			"description": "One JSON value a line, until the caller hangs up or the daemon ends. The schema is that of a line.",
			"content":     content("application/x-ndjson", s.of(reflect.TypeOf(r.Answer))),
		}
	}
	return object{"description": "The answer.", "content": content("application/json", s.of(reflect.TypeOf(r.Answer)))}
}

// parameters describes what stands in a route's URL and head.
func parameters(r *control.Route) (out []any) {
	known := map[string]object{
		"since":   {"name": "since", "in": "query", "schema": object{"type": "integer", "minimum": 0}, "description": "The number of the last event that the caller knows; none: all."},
		"dry_run": {"name": "dry_run", "in": "query", "schema": object{"type": "boolean"}, "description": "true: say what would be done, or refuse it as the change itself would, and do nothing."},
	}
	for _, q := range r.Query {
		if known[q] == nil {
			panic("openapi: no description of the parameter " + q)
		}
		out = append(out, known[q])
	}
	if r.Change {
		out = append(out, object{
			"name": control.IdempotencyKey, "in": "header", "schema": object{"type": "string", "pattern": "^[!-~]{1,128}$"},
			"description": "A word of the caller's, new for each change. A repeat of the same request with it in the next ten minutes is not carried out again, and gets the first answer, with the header " +
				control.Replayed + ": true. With another request it is refused (422). Dry runs heed it not.",
		})
	}
	return out
}

// schemas collects those of named types.
type schemas struct {
	docs map[string]string
	all  object
}

// of is the schema of a Go type as encoding/json writes it.
func (s *schemas) of(t reflect.Type) object {
	if t == reflect.TypeFor[timeType]() {
		return object{"type": "string", "format": "date-time"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return s.of(t.Elem())
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.String:
		return object{"type": "string"}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return object{"type": "integer"}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return object{"type": "integer", "minimum": 0}
	case reflect.Float32, reflect.Float64:
		return object{"type": "number"}
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 { // encoding/json writes octets so
			return object{"type": "string", "contentEncoding": "base64"}
		}
		return object{"type": "array", "items": s.of(t.Elem())}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": s.of(t.Elem())}
	case reflect.Struct:
		if t.Name() == "" || t.PkgPath() != reflect.TypeFor[control.Snapshot]().PkgPath() {
			panic("openapi: a struct that is not a type of package control: " + t.String())
		}
		if s.all[t.Name()] == nil {
			s.all[t.Name()] = object{} // against recursion
			s.all[t.Name()] = s.structure(t)
		}
		return object{"$ref": "#/components/schemas/" + t.Name()}
	}
	panic("openapi: no schema of " + t.String())
}

// request is a structure without other fields, and without required ones: what is left out has its zero value.
func (s *schemas) request(t reflect.Type) object {
	ref := s.of(t)
	o := s.all[t.Name()].(object)
	o["additionalProperties"] = false
	delete(o, "required")
	return ref
}

func (s *schemas) structure(t reflect.Type) object {
	properties, required := object{}, []string{}
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() {
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" {
			continue
		}
		if name == "" {
			name = f.Name
		}
		p := s.of(f.Type)
		optional := slices.ContainsFunc(strings.Split(options, ","), func(o string) bool { return o == "omitempty" || o == "omitzero" })
		if !optional {
			required = append(required, name)
			switch f.Type.Kind() {
			case reflect.Slice, reflect.Map:
				p["type"] = []string{p["type"].(string), "null"}
			case reflect.Pointer:
				p = object{"anyOf": []any{p, object{"type": "null"}}}
			}
		}
		if w := words[t.Name()+"."+name]; w != nil {
			p["enum"] = w
		}
		if text := s.docs[t.Name()+"."+f.Name]; text != "" {
			p["description"] = text
		}
		properties[name] = p
	}
	out := object{"type": "object", "properties": properties}
	if len(required) > 0 {
		out["required"] = required
	}
	if text := s.docs[t.Name()]; text != "" {
		out["description"] = text
	}
	return out
}

// unused lists entries of words that no field has taken: the field has another name now.
func (s *schemas) unused() (out []string) {
	for _, key := range slices.Sorted(maps.Keys(words)) {
		typ, field, _ := strings.Cut(key, ".")
		o, _ := s.all[typ].(object)
		if o == nil || o["properties"].(object)[field] == nil {
			out = append(out, strconv.Quote(key))
		}
	}
	return out
}
