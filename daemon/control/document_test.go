package control_test

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/daemon/control/openapi"
)

var update = flag.Bool("update", false, "rewrite openapi.json")

// TestDocument: the file that daemons serve is what the routes, the types and their comments say.
func TestDocument(t *testing.T) {
	got, err := openapi.Document(".")
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("openapi.json", got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if d := cmp.Diff(string(control.Document()), string(got)); d != "" {
		t.Errorf("openapi.json is not what routes.go and the types say; go generate ./daemon/control (-file +code):\n%s", d)
	}
}

// TestOneTable: nothing is served that is not in the table of routes, which the description is made from.
func TestOneTable(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var calls []string
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			c, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if s, ok := c.Fun.(*ast.SelectorExpr); ok && (s.Sel.Name == "HandleFunc" || s.Sel.Name == "Handle") {
				at := "a route of the table"
				if l, ok := c.Args[0].(*ast.BasicLit); ok {
					at = l.Value
				}
				calls = append(calls, at)
			}
			return true
		})
	}
	if d := cmp.Diff([]string{"a route of the table", `"/"`}, calls); d != "" {
		t.Errorf("handlers of the mux: %s", d)
	}
}
