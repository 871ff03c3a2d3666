package house

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/getvpn/getvpn/"

// root is the checkout's top folder, as go.mod marks it.
func root(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Dir(strings.TrimSpace(string(out)))
}

// imports lists, for each package of the module, what its files import, tests included when tests is set.
func imports(t *testing.T, tests bool) map[string][]string {
	t.Helper()
	format := `{{.ImportPath}} {{join .Imports ","}}`
	if tests {
		format += `,{{join .TestImports ","}},{{join .XTestImports ","}}`
	}
	cmd := exec.Command("go", "list", "-f", format, "./...")
	cmd.Dir = root(t)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	all := map[string][]string{}
	for line := range bytes.Lines(out) {
		pkg, list, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
		for _, i := range strings.Split(list, ",") {
			if i != "" {
				all[pkg] = append(all[pkg], i)
			}
		}
	}
	if len(all) < 10 {
		t.Fatalf("go list found only %d packages: the test does not see the house", len(all))
	}
	return all
}

// room is the top-level folder of a package of ours, or "" for anything else.
func room(pkg string) string {
	rest, ok := strings.CutPrefix(pkg, module)
	if !ok {
		return ""
	}
	top, _, _ := strings.Cut(rest, "/")
	return top
}

// mayImport says which rooms a room may use besides itself.
var mayImport = map[string]string{
	"gdoi":   "",
	"esp":    "",
	"hsm":    "",
	"daemon": "gdoi esp hsm",
	"tui":    "daemon",
	"lab":    "gdoi esp hsm daemon",
}

func TestArrows(t *testing.T) {
	for pkg, list := range imports(t, true) {
		from := room(pkg)
		allowed, known := mayImport[from]
		if !known {
			t.Errorf("%s is in no room of the house", pkg)
		}
		for _, i := range list {
			to := room(i)
			if to == "" || to == from {
				continue
			}
			if !strings.Contains(" "+allowed+" ", " "+to+" ") {
				t.Errorf("%s imports %s: %s may import only [%s]", pkg, i, from, allowed)
			}
			if from == "tui" && !strings.HasPrefix(i, module+"daemon/control") {
				t.Errorf("%s imports %s: the console knows only daemon/control", pkg, i)
			}
		}
	}
}

// forbidden are imports that would let the world into pure code.
var forbidden = []string{"net", "os", "math/rand", "math/rand/v2", "log", "syscall", "os/exec", "time/tzdata"}

// pureRooms are the packages in which time, randomness and the network are arguments.
func pure(pkg string) bool {
	rest := strings.TrimPrefix(pkg, module)
	if strings.HasPrefix(rest, "gdoi") {
		return true
	}
	switch rest {
	case "esp", "esp/packet", "esp/replay", "esp/sadb", "esp/spd", "esp/engine":
		return true
	}
	return false
}

func TestPureCodeHasNoWorld(t *testing.T) {
	seen := 0
	for pkg, list := range imports(t, false) {
		if !pure(pkg) {
			continue
		}
		seen++
		for _, i := range list {
			for _, f := range forbidden {
				if i == f {
					t.Errorf("%s imports %s: it must stay a pure state machine", pkg, i)
				}
			}
		}
	}
	if seen < 5 {
		t.Fatalf("only %d pure packages found", seen)
	}
}

// TestNoClock finds calls that read a clock, sleep or start a goroutine in protocol code.
func TestNoClock(t *testing.T) {
	top := root(t)
	files := 0
	err := filepath.WalkDir(filepath.Join(top, "gdoi"), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		files++
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%s: starts a goroutine", fset.Position(n.Pos()))
			case *ast.SelectorExpr:
				if id, ok := n.X.(*ast.Ident); ok && id.Name == "time" {
					switch n.Sel.Name {
					case "Now", "Sleep", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick", "Since", "Until":
						t.Errorf("%s: time.%s in protocol code", fset.Position(n.Pos()), n.Sel.Name)
					}
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 20 {
		t.Fatalf("only %d files seen", files)
	}
}

func TestTopLevel(t *testing.T) {
	want := strings.Fields("LICENSE Makefile README.md daemon esp gdoi go.mod go.sum hsm lab tui")
	cmd := exec.Command("git", "ls-files")
	cmd.Dir = root(t)
	out, err := cmd.Output()
	if err != nil {
		t.Skipf("not a git checkout: %v", err)
	}
	have := map[string]bool{}
	for line := range bytes.Lines(out) {
		top, _, _ := strings.Cut(strings.TrimSpace(string(line)), "/")
		if unq, err := strconv.Unquote(top); err == nil {
			top = unq
		}
		if !strings.HasPrefix(top, ".") {
			have[top] = true
		}
	}
	var got []string
	for name := range have {
		got = append(got, name)
	}
	sort.Strings(got)
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("top level is %v, want %v", got, want)
	}
}
