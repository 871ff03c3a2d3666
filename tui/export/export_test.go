package export

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/charmbracelet/lipgloss"
	"github.com/muesli/termenv"

	"github.com/getvpn/getvpn/tui/source/sourcetest"
	"github.com/getvpn/getvpn/tui/theme"
	"github.com/getvpn/getvpn/tui/view"
	"github.com/getvpn/getvpn/tui/widget"
)

// written exports a page of 300 members: more than any screen has.
func written(t *testing.T, format string, look *widget.Look) string {
	t.Helper()
	th, err := theme.New("dark")
	if err != nil {
		t.Fatal(err)
	}
	f := &view.Frame{Theme: th, Fleet: sourcetest.Large(300), Width: 120, Height: 40, Place: view.Place{View: "members"}}
	var b bytes.Buffer
	if err := Write(&b, format, view.Members{}.Page(f), f, look); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestText(t *testing.T) {
	text := written(t, "text", nil)
	if n := strings.Count(text, "● registered"); n != 300 {
		t.Errorf("%d members of 300 are written", n)
	}
	if strings.ContainsAny(text, "\x1b›") {
		t.Error("it has styles, or a cursor")
	}
}

func TestCSV(t *testing.T) {
	rows, err := csv.NewReader(strings.NewReader(written(t, "csv", &widget.Look{Filter: "missed>0", Sort: "member", Desc: true}))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 2 || rows[0][0] != "member" || rows[1][0] != "10.1.0.5" {
		t.Errorf("%q", rows)
	}
}

func TestJSON(t *testing.T) {
	var got struct {
		View, Filter string
		Rows         []struct {
			Member, State, Since string
			RTT                  float64
			Again                *float64
		}
	}
	if err := json.Unmarshal([]byte(written(t, "json", &widget.Look{Filter: "!10.1.0", Sort: "member"})), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Rows) != 44 || got.View != "members" || got.Filter != "!10.1.0" {
		t.Fatalf("%d rows of view %q with %q", len(got.Rows), got.View, got.Filter)
	}
	if r := got.Rows[0]; r.Member != "10.1.1.0" || r.State != "registered" || r.Since != "2026-03-14T15:05:10Z" || r.RTT != 0.081 || r.Again != nil {
		t.Errorf("first row: %+v", r)
	}
}

// TestSVG: it is well-formed, has the colours of the theme, and all the text.
func TestSVG(t *testing.T) {
	lipgloss.SetColorProfile(termenv.TrueColor)
	defer lipgloss.SetColorProfile(termenv.Ascii)
	svg := written(t, "svg", nil)
	dec, texts, colours := xml.NewDecoder(strings.NewReader(svg)), "", map[string]bool{}
	for {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch tok := tok.(type) {
		case xml.CharData:
			texts += string(tok)
		case xml.StartElement:
			for _, a := range tok.Attr {
				if a.Name.Local == "fill" {
					colours[a.Value] = true
				}
			}
		}
	}
	if strings.Count(texts, "registered") < 300 || !colours["#5fd38d"] || !colours["#14181f"] {
		t.Errorf("%d members, colours %v", strings.Count(texts, "registered"), colours)
	}
}

// TestSGR: the ways in which terminals are told colours.
func TestSGR(t *testing.T) {
	for _, row := range []struct {
		line string
		want run
	}{
		{"\x1b[1;31mx", run{pen{fg: "#cd3131", bold: true}, "x"}}, {"\x1b[38;5;196mx", run{pen{fg: "#ff0000"}, "x"}}, {"\x1b[48;2;1;2;3mx", run{pen{bg: "#010203"}, "x"}},
		{"\x1b[7m\x1b[0;2mx", run{pen{faint: true}, "x"}}, {"\x1b[38;5;244mx", run{pen{fg: "#808080"}, "x"}}, {"\x1b[97;107mx", run{pen{fg: "#ffffff", bg: "#ffffff"}, "x"}},
		{"\x1b[2Kx", run{pen{}, "x"}}, {"\x1b[38;2;1mx", run{pen{}, "x"}},
	} {
		if got := runs(row.line); len(got) != 1 || got[0] != row.want {
			t.Errorf("%q is %+v, want %+v", row.line, got, row.want)
		}
	}
}

func TestRefused(t *testing.T) {
	th, _ := theme.New("dark")
	f := &view.Frame{Theme: th, Fleet: sourcetest.Fleet(), Width: 80, Height: 24}
	for _, format := range []string{"csv", "json", "pdf"} {
		if err := Write(io.Discard, format, &view.Page{Head: []string{"text"}}, f, nil); err == nil {
			t.Errorf("a page without a table was written as %s", format)
		}
	}
	if _, err := FormatOf("members.pdf"); err == nil {
		t.Error("a pdf was promised")
	}
}
