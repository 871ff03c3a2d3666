package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/getvpn/getvpn/tui/widget"
)

// keepHistory is how many commands are remembered from one console to the next.
const keepHistory = 200

// stateFile is $XDG_STATE_HOME/getvpn/NAME, or below ~/.local/state; empty: there is no home.
func stateFile(name string) string {
	dir := os.Getenv("XDG_STATE_HOME")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return ""
		}
		dir = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(dir, "getvpn", name)
}

// What consoles keep for the next one: commands, oldest first, and the columns of each view, "members: state,drops".
const (
	historyFile = "console-history"
	columnsFile = "console-columns"
)

// readState returns the lines of a file.
func readState(name string) []string {
	b, err := os.ReadFile(stateFile(name))
	if err != nil {
		return nil // none yet, or not for us: nobody should be kept from the console by that
	}
	return strings.FieldsFunc(string(b), func(r rune) bool { return r == '\n' })
}

// writeState keeps lines for the next console. A home that cannot be written to keeps none.
func writeState(name string, lines []string) {
	path := stateFile(name)
	if path == "" || os.MkdirAll(filepath.Dir(path), 0o700) != nil {
		return
	}
	text := ""
	if len(lines) > 0 {
		text = strings.Join(lines, "\n") + "\n"
	}
	_ = os.WriteFile(path, []byte(text), 0o600)
}

func readHistory() []string { return readState(historyFile) }

// writeHistory keeps the newest commands.
func writeHistory(lines []string) {
	if len(lines) > 0 {
		writeState(historyFile, lines[max(0, len(lines)-keepHistory):])
	}
}

// readColumns returns the columns that were chosen, by view.
func readColumns() map[string]widget.Columns {
	out := map[string]widget.Columns{}
	for _, l := range readState(columnsFile) {
		if v, names, ok := strings.Cut(l, ": "); ok {
			out[v] = strings.Split(names, ",")
		}
	}
	return out
}

// writeColumns keeps the columns that were chosen.
func writeColumns(columns map[string]widget.Columns) {
	if len(columns) == 0 && len(readColumns()) == 0 {
		return
	}
	var lines []string
	for _, v := range slices.Sorted(maps.Keys(columns)) {
		lines = append(lines, v+": "+strings.Join(columns[v], ","))
	}
	writeState(columnsFile, lines)
}
