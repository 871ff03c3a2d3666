package check

import (
	"strings"
	"testing"
)

// What only a run would find out is told before, where it is known.
func TestLint(t *testing.T) {
	for _, c := range []struct{ step, want string }{
		{`{do: operator gm1 rekye blue}`, `operators have no "rekye"`},
		{`{check: command, do: [heal, operator gm1 rekye blue]}`, `operators have no "rekye"`},
		{`{check: throughout, pairs: all, steps: [{check: command, do: [operator gm1 rekye blue]}]}`, `operators have no "rekye"`},
		{`{check: state, node: gm1, path: "gm.groups[name=bleu].state", equals: registered}`, `no configuration has a group "bleu"`},
		{`{check: kek, group: bleu, rekey: gm1, is: kept}`, `no configuration has a group "bleu"`},
		{`{check: state, node: gm1, path: "gm.groups[name=blue].state", equals: registered}`, ""},
		{`{do: operator gm1 rekey blue --kek}`, ""},
		{`{do: operator gm1 apply --now}`, ""},
	} {
		s := parse(t, strings.Replace(small, "programs: {d: {binary: d}}", `programs: {d: {binary: d, config: "groups: [{name: blue}]"}}`, 1)+"steps: ["+c.step+"]\n")
		found := ""
		for _, w := range Lint(s) {
			found += w.Error() + "\n"
		}
		if (found == "") != (c.want == "") || !strings.Contains(found, c.want) {
			t.Errorf("%s: %q, want %q", c.step, found, c.want)
		}
	}
}
