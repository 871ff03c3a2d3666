package driver

import (
	"bufio"
	"os"
	"strings"
)

// Tail returns the last lines of a file, for error messages.
func Tail(path string, lines int) string {
	f, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	var last []string
	in := bufio.NewScanner(f)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		if last = append(last, "  "+in.Text()); len(last) > lines {
			last = last[1:]
		}
	}
	if len(last) == 0 {
		return "  (empty)"
	}
	return strings.Join(last, "\n")
}
