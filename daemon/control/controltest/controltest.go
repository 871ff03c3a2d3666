// Package controltest holds answers of running daemons against the description of the control API that the same daemon serves.
package controltest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

const where = "https://getvpn.example/openapi.json"

// Socket asks one control socket, and checks what it answers.
type Socket struct {
	t        testing.TB
	http     http.Client
	document map[string]any
	compiler *jsonschema.Compiler
}

// New reads the description from the daemon at path.
func New(t testing.TB, path string) *Socket {
	t.Helper()
	s := &Socket{t: t, compiler: jsonschema.NewCompiler()}
	s.http.Transport = &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}}
	_, text := s.raw("GET", "/v1/openapi.json", "")
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("openapi.json: %v", err)
	}
	s.document = doc.(map[string]any)
	closed(doc)
	s.compiler.DefaultDraft(jsonschema.Draft2020)
	s.compiler.AssertFormat()
	if err := s.compiler.AddResource(where, doc); err != nil {
		t.Fatal(err)
	}
	return s
}

// closed forbids fields that are not described. Clients must bear those; here one is a field that was forgotten.
func closed(doc any) {
	at := doc
	for _, key := range []string{"components", "schemas"} {
		at, _ = at.(map[string]any)[key]
	}
	for _, s := range at.(map[string]any) {
		s.(map[string]any)["additionalProperties"] = false
	}
}

// Routes lists "GET /v1/snapshot" and all others that are described.
func (s *Socket) Routes() (out []string) {
	for path, methods := range s.document["paths"].(map[string]any) {
		for m := range methods.(map[string]any) {
			out = append(out, strings.ToUpper(m)+" "+path)
		}
	}
	return out
}

// Ask sends a request and checks the answer, whatever it is.
func (s *Socket) Ask(method, url, body string, header ...string) (int, []byte) {
	s.t.Helper()
	status, text := s.raw(method, url, body, header...)
	s.Check(method, url, status, text)
	return status, text
}

// Check holds an answer against its description.
func (s *Socket) Check(method, url string, status int, text []byte) {
	s.t.Helper()
	path, _, _ := strings.Cut(url, "?")
	response := "default"
	if status == http.StatusOK {
		response = "200"
	}
	pointer := fmt.Sprintf("%s#/paths/%s/%s/responses/%s", where, strings.ReplaceAll(path, "/", "~1"), strings.ToLower(method), response)
	kind := "application~1json"
	if strings.HasSuffix(path, "/watch") && status == http.StatusOK {
		kind = "application~1x-ndjson"
	}
	schema, err := s.compiler.Compile(pointer + "/content/" + kind + "/schema")
	if err != nil {
		s.t.Errorf("%s %s: %d is not described: %v", method, url, status, err)
		return
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		s.t.Errorf("%s %s: %d is no JSON: %v: %.200s", method, url, status, err, text)
		return
	}
	if err := schema.Validate(value); err != nil {
		s.t.Errorf("%s %s: %d is not what is described: %v", method, url, status, err)
	}
}

// Look asks for all that changes nothing and checks the answers, the first line of the watch stream included.
func (s *Socket) Look() {
	s.t.Helper()
	for _, route := range s.Routes() {
		method, path, _ := strings.Cut(route, " ")
		if method != "GET" || path == "/v1/watch" {
			continue
		}
		if status, text := s.Ask(method, path, ""); status != http.StatusOK {
			s.t.Errorf("%s: %d %s", route, status, text)
		}
	}
	res, err := s.do("GET", "/v1/watch", "")
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	line, err := bufio.NewReader(res.Body).ReadBytes('\n')
	if err != nil {
		s.t.Fatal(err)
	}
	s.Check("GET", "/v1/watch", res.StatusCode, line)
	var w struct{ Snapshot json.RawMessage }
	if err := json.Unmarshal(line, &w); err != nil || w.Snapshot == nil {
		s.t.Errorf("the first line of the watch stream is no snapshot: %.200s", line)
	}
}

func (s *Socket) do(method, url, body string, header ...string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(s.t.Context(), method, "http://x"+url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	return s.http.Do(req)
}

func (s *Socket) raw(method, url, body string, header ...string) (int, []byte) {
	s.t.Helper()
	res, err := s.do(method, url, body, header...)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return res.StatusCode, text
}
