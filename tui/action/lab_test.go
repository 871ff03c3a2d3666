package action

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/getvpn/getvpn/tui/source"
	"github.com/getvpn/getvpn/tui/source/sourcetest"
)

// TestCourseVerbs: what getvpn-lab is called with, and what becomes of what it says. A grade below the best is a failure that
// has a result.
func TestCourseVerbs(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "getvpn-lab")
	script := `#!/bin/sh
echo "$GETVPN_LAB_BY: $*" >>` + dir + `/called
case $1 in
grade) printf 'break-fix-1: it is silent\n\nback: not yet\n\n0 of 1 tasks, 0 of 10 points\n'; echo "getvpn-lab: not every task is done" >&2; exit 1 ;;
hint) [ "$2" = back ] || { echo "getvpn-lab: there is no task $2" >&2; exit 1; }; printf 'Look at gm3.\nThen at ks1.\n' ;;
*) echo "$1 done" ;;
esac
`
	if err := os.WriteFile(program, []byte(script), 0o700); err != nil { //nolint:gosec // it is run
		t.Fatal(err)
	}
	t.Setenv("GETVPN_LAB", program)
	t.Setenv("SUDO_USER", "ada")
	f := sourcetest.Exercise()
	for _, row := range []struct {
		verb, called, text, brief, err string
		words                          []string
	}{
		{"grade", "grade", "back: not yet", "0 of 1 tasks, 0 of 10 points", "not solved yet: 0 of 1 tasks", nil},
		{"hint", "hint back", "Look at gm3.\nThen at ks1.", "", "", []string{"back"}},
		{"hint", "hint none", "", "", "there is no task none", []string{"none"}},
		{"solution", "solution --do", "solution done", "", "", []string{"--do"}},
		{"reset", "reset", "reset done", "", "", nil},
		{"token-lose", "token lose ks1", "token done", "", "", []string{"ks1"}},
		{"partition", "partition p1/p2 --for 5s", "partition done", "", "", []string{"p1/p2", "--for", "5s"}},
	} {
		v := Find(row.verb)
		c, err := v.Parse(row.words)
		if err != nil {
			t.Fatal(err)
		}
		r, err := v.Run(t.Context(), f, c)
		if !strings.Contains(r.Text, row.text) || r.Brief != row.brief || (err == nil) != (row.err == "") || err != nil && !strings.Contains(err.Error(), row.err) {
			t.Errorf("%s %v: %+v, %v", row.verb, row.words, r, err)
		}
		called, _ := os.ReadFile(filepath.Join(dir, "called"))
		lines := strings.Split(strings.TrimSpace(string(called)), "\n")
		if want := "the console of ada: " + row.called + " --lab break-fix-1"; lines[len(lines)-1] != want {
			t.Errorf("%s was called as %q, want %q", row.verb, lines[len(lines)-1], want)
		}
	}
	if _, err := Find("grade").Run(t.Context(), &source.Fleet{}, Call{}); !errors.Is(err, ErrNoLab) {
		t.Errorf("grading without a lab: %v", err)
	}
}

// TestCompleteLab: sides are completed name by name, with routers and hosts; tasks by their names.
func TestCompleteLab(t *testing.T) {
	f := sourcetest.Exercise()
	for _, row := range []struct {
		verb, word string
		want       []string
	}{
		{"partition", "p", []string{"p1", "p2"}},
		{"partition", "p1,h1/p", []string{"p1,h1/p2"}},
		{"partition", "ks1/h", []string{"ks1/h1", "ks1/h2", "ks1/h3", "ks1/h4"}},
		{"hint", "", []string{"registered", "traffic", "rekeys"}},
		{"hint", "re", []string{"registered", "rekeys"}},
		{"token-lose", "", nil},
	} {
		if got := Find(row.verb).Complete(f, []string{row.word}); !slices.Equal(got, row.want) {
			t.Errorf("%s %s completes to %q, want %q", row.verb, row.word, got, row.want)
		}
	}
	if got := Find("token-return").Complete(sourcetest.Custody(), []string{""}); !slices.Contains(got, "ks1") {
		t.Errorf("nodes with tokens: %q", got)
	}
}
