package config

import (
	"slices"
	"strings"
)

// Differences lists the lines that only the new text has, and those that only the old one has, without indentation.
func Differences(was, is string) (fresh, gone []string) {
	old, now := strings.Split(was, "\n"), strings.Split(is, "\n")
	for _, l := range now {
		if !slices.Contains(old, l) {
			fresh = append(fresh, strings.TrimSpace(l))
		}
	}
	for _, l := range old {
		if !slices.Contains(now, l) {
			gone = append(gone, strings.TrimSpace(l))
		}
	}
	return fresh, gone
}
