package space

import (
	"path/filepath"
	"slices"
	"strings"
)

// path is PATH in the space: where root finds programs ordinary users do not look.
func path(outside string) string {
	dirs := filepath.SplitList(outside)
	for _, d := range []string{"/usr/local/sbin", "/usr/sbin", "/sbin"} {
		if !slices.Contains(dirs, d) {
			dirs = append(dirs, d)
		}
	}
	return strings.Join(dirs, string(filepath.ListSeparator))
}
