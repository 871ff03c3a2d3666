// Package export writes a page of the console to be kept: as text, as a table for other programs, or as a picture. All of
// a table is written, in the order and with the filter in which it is looked at.
package export

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/getvpn/getvpn/tui/view"
	"github.com/getvpn/getvpn/tui/widget"
)

// Formats lists what Write can write.
func Formats() []string { return []string{"text", "csv", "json", "svg"} }

// FormatOf is the format that a file's name asks for: .txt, .csv, .json or .svg.
func FormatOf(path string) (string, error) {
	switch ext := strings.ToLower(filepath.Ext(path)); ext {
	case ".txt", ".text":
		return "text", nil
	case ".csv", ".json", ".svg":
		return ext[1:], nil
	default:
		return "", fmt.Errorf("%s: its ending says the format: .txt, .csv, .json or .svg", path)
	}
}

// Write writes a page, as it is looked at. A nil look is one without filter and order.
func Write(w io.Writer, format string, p *view.Page, f *view.Frame, look *widget.Look) error {
	still := &widget.Look{Still: true}
	if look != nil {
		still.Filter, still.Sort, still.Desc, still.Columns = look.Filter, look.Sort, look.Desc, look.Columns
	}
	out := bufio.NewWriter(w)
	var err error
	switch format {
	case "text":
		err = writeText(out, p, f, still)
	case "csv":
		err = writeCSV(out, p, still)
	case "json":
		err = writeJSON(out, p, f, still)
	case "svg":
		err = SVG(out, Lines(p, f, still), f.Width, f.Theme)
	default:
		err = fmt.Errorf("there is no format %q: use one of %s", format, strings.Join(Formats(), ", "))
	}
	if err != nil {
		return err
	}
	return out.Flush()
}

// Lines draws all of a page.
func Lines(p *view.Page, f *view.Frame, look *widget.Look) []string {
	whole := *f
	whole.Scroll, whole.Height = 0, p.Height(look)
	return p.Draw(&whole, look)
}

func writeText(w io.Writer, p *view.Page, f *view.Frame, look *widget.Look) error {
	for _, l := range Lines(p, f, look) {
		if _, err := fmt.Fprintln(w, strings.TrimRight(ansi.Strip(l), " ")); err != nil {
			return err
		}
	}
	return nil
}

// errNoTable is for formats that only a table has.
func errNoTable(format string) error {
	return fmt.Errorf("this page has no table to be written as %s; text and svg can be had", format)
}

func writeCSV(w io.Writer, p *view.Page, look *widget.Look) error {
	if p.Table == nil {
		return errNoTable("csv")
	}
	out := csv.NewWriter(w)
	columns := p.Table.Chosen(look)
	record := make([]string, len(columns))
	for n, k := range columns {
		record[n] = p.Table.Columns[k].Name()
	}
	if err := out.Write(record); err != nil {
		return err
	}
	for _, i := range look.Rows(p.Table) {
		for n, k := range columns {
			switch v := p.Table.Columns[k].Cell(i).Value().(type) {
			case float64:
				record[n] = strconv.FormatFloat(v, 'f', -1, 64)
			case string:
				record[n] = v
			default:
				record[n] = ""
			}
		}
		if err := out.Write(record); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

func writeJSON(w io.Writer, p *view.Page, f *view.Frame, look *widget.Look) error {
	if p.Table == nil {
		return errNoTable("json")
	}
	rows := []map[string]any{}
	for _, i := range look.Rows(p.Table) {
		row := map[string]any{}
		for _, k := range p.Table.Chosen(look) {
			c := &p.Table.Columns[k]
			row[c.Name()] = c.Cell(i).Value()
		}
		rows = append(rows, row)
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(map[string]any{
		"view": f.Place.View, "group": f.Place.Group, "attached": f.Fleet.Title, "at": f.Fleet.Time.UTC(), "filter": look.Filter, "sort": look.Sort, "rows": rows,
	})
}
