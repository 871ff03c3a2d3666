package export

import (
	"fmt"
	"html"
	"io"
	"strconv"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/getvpn/getvpn/tui/theme"
)

// Size of a cell of the picture, in pixels.
const (
	cellWidth  = 8.4
	cellHeight = 18
	fontSize   = 14
	margin     = 12
)

// pen is how text is drawn: colours as #rrggbb, empty for the picture's own.
type pen struct {
	fg, bg               string
	bold, faint, reverse bool
}

// SVG draws lines with their styles. Each run of text has its place, so that the picture is the same with any font.
func SVG(w io.Writer, lines []string, width int, th *theme.Theme) error {
	back, front := th.Paper()
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%d" font-family="ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace" font-size="%d">`+"\n",
		float64(width)*cellWidth+2*margin, len(lines)*cellHeight+2*margin, fontSize)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="%s"/>`+"\n", back)
	for n, l := range lines {
		top := float64(margin + n*cellHeight)
		x := 0
		for _, r := range runs(l) {
			cells := ansi.StringWidth(r.text)
			fg, bg := orElse(r.fg, front), r.bg
			if r.reverse {
				fg, bg = orElse(r.bg, back), orElse(r.fg, front)
			}
			left := margin + float64(x)*cellWidth
			if bg != "" {
				fmt.Fprintf(&b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%d" fill="%s"/>`, left, top, float64(cells)*cellWidth, cellHeight, bg)
			}
			if strings.TrimSpace(r.text) != "" {
				more := ""
				if r.bold {
					more = ` font-weight="bold"`
				}
				if r.faint {
					more += ` opacity="0.6"`
				}
				fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" textLength="%.1f" xml:space="preserve" fill="%s"%s>%s</text>`,
					left, top+cellHeight-5, float64(cells)*cellWidth, fg, more, html.EscapeString(r.text))
			}
			x += cells
		}
		b.WriteByte('\n')
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// run is text of one style.
type run struct {
	pen
	text string
}

// runs takes a line apart at its SGR sequences; other sequences are dropped.
func runs(line string) (out []run) {
	p := pen{}
	for line != "" {
		at := strings.IndexByte(line, '\x1b')
		if at != 0 {
			text := line
			if at > 0 {
				text = line[:at]
			}
			out = append(out, run{p, text})
			line = line[len(text):]
			continue
		}
		seq, _, n, _ := ansi.DecodeSequence(line, 0, nil)
		if n <= 0 {
			n = 1
		}
		line = line[n:]
		if body, ok := strings.CutPrefix(seq, "\x1b["); ok && strings.HasSuffix(body, "m") {
			p.apply(strings.Split(strings.TrimSuffix(body, "m"), ";"))
		}
	}
	return out
}

// apply takes the parameters of an SGR sequence.
func (p *pen) apply(params []string) {
	for i := 0; i < len(params); i++ {
		n, _ := strconv.Atoi(params[i])
		switch {
		case n == 0:
			*p = pen{}
		case n == 1:
			p.bold = true
		case n == 2:
			p.faint = true
		case n == 7:
			p.reverse = true
		case n == 22:
			p.bold, p.faint = false, false
		case n == 27:
			p.reverse = false
		case n >= 30 && n <= 37:
			p.fg = indexed(n - 30)
		case n >= 90 && n <= 97:
			p.fg = indexed(n - 90 + 8)
		case n >= 40 && n <= 47:
			p.bg = indexed(n - 40)
		case n >= 100 && n <= 107:
			p.bg = indexed(n - 100 + 8)
		case n == 39:
			p.fg = ""
		case n == 49:
			p.bg = ""
		case n == 38 || n == 48:
			colour, used := extended(params[i+1:])
			i += used
			if n == 38 {
				p.fg = colour
			} else {
				p.bg = colour
			}
		}
	}
}

// extended reads 5;N or 2;R;G;B.
func extended(params []string) (colour string, used int) {
	num := func(i int) int { n, _ := strconv.Atoi(params[i]); return max(0, min(n, 255)) }
	switch {
	case len(params) >= 2 && params[0] == "5":
		return indexed(num(1)), 2
	case len(params) >= 4 && params[0] == "2":
		return fmt.Sprintf("#%02x%02x%02x", num(1), num(2), num(3)), 4
	}
	return "", len(params)
}

// basic are the sixteen colours, as most terminals have them.
var basic = [16]string{
	"#000000", "#cd3131", "#0dbc79", "#e5e510", "#2472c8", "#bc3fbc", "#11a8cd", "#e5e5e5",
	"#666666", "#f14c4c", "#23d18b", "#f5f543", "#3b8eea", "#d670d6", "#29b8db", "#ffffff",
}

// indexed is a colour of the palette of 256: sixteen, a cube of six levels, and greys.
func indexed(n int) string {
	switch {
	case n < 16:
		return basic[n]
	case n >= 232:
		g := 8 + (n-232)*10
		return fmt.Sprintf("#%02x%02x%02x", g, g, g)
	}
	level := func(v int) int {
		if v == 0 {
			return 0
		}
		return 55 + v*40
	}
	n -= 16
	return fmt.Sprintf("#%02x%02x%02x", level(n/36), level(n/6%6), level(n%6))
}
