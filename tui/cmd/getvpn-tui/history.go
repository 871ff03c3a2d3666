package main

import (
	"os"
	"path/filepath"
	"strings"
)

// keepHistory is how many commands are remembered from one console to the next.
const keepHistory = 200

// historyFile is $XDG_STATE_HOME/getvpn/console-history, or below ~/.local/state; empty: there is no home.
func historyFile() string {
	dir := os.Getenv("XDG_STATE_HOME")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return ""
		}
		dir = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(dir, "getvpn", "console-history")
}

// readHistory returns the commands of earlier consoles, oldest first.
func readHistory() []string {
	b, err := os.ReadFile(historyFile())
	if err != nil {
		return nil // none yet, or not for us: nobody should be kept from the console by that
	}
	return strings.FieldsFunc(string(b), func(r rune) bool { return r == '\n' })
}

// writeHistory keeps the newest commands for the next console. A home that cannot be written to has none.
func writeHistory(lines []string) {
	path := historyFile()
	if path == "" || len(lines) == 0 || os.MkdirAll(filepath.Dir(path), 0o700) != nil {
		return
	}
	lines = lines[max(0, len(lines)-keepHistory):]
	_ = os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600)
}
