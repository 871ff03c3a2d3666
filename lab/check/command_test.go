package check

import (
	"strings"
	"testing"
)

// What a command has said instead is the value of its check: "done" would be all that is told of a sabotage.
func TestQuoted(t *testing.T) {
	counter := "table inet seen {\n\tcounter h1-to-h3 {\n\t\tpackets 0 bytes 0\n\t}\n}"
	for _, c := range []struct{ said, text, want string }{
		{counter, "packets 0 bytes", `"packets 0 bytes 0"`},
		{counter, "packets 10 bytes", `"packets 0 bytes 0"`},
		{counter, "nothing of it", `"}"`},
		{"", "x", "nothing"},
		{strings.Repeat("x", 100), "x", `"` + strings.Repeat("x", mostQuoted) + ` ..."`},
	} {
		if got := quoted(c.said, c.text); got != c.want {
			t.Errorf("%q in %q: %s, want %s", c.text, c.said, got, c.want)
		}
	}
}
