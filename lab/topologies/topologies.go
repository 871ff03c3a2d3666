// Package topologies holds the scenarios that come with getvpn-lab, one directory each.
package topologies

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/getvpn/getvpn/lab/scenario"
)

//go:embed */*.yaml */README.md
var files embed.FS

// Names returns the names of the built-in scenarios, sorted.
func Names() []string {
	var names []string
	entries, _ := fs.ReadDir(files, ".") // an embedded directory is always readable, and sorted
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// Load reads a built-in scenario by its name, or a file when the name has a slash or ends in .yaml.
func Load(name string, opt scenario.Options) (*scenario.Scenario, error) {
	if isFile(name) {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("scenario file: %w", err)
		}
		opt.Base = read
		return scenario.Parse(name, text, opt)
	}
	text, err := read(name)
	if err != nil {
		return nil, err
	}
	opt.Base = read
	return scenario.Parse(scenario.BaseFile(name), text, opt)
}

// Derived gives the texts of the built-in scenarios that build on one.
func Derived(name string) (texts [][]byte) {
	for _, other := range Names() {
		if text, err := read(other); err == nil && bytes.Contains(text, []byte("\nbase: "+name+"\n")) {
			texts = append(texts, text)
		}
	}
	return texts
}

func isFile(name string) bool {
	return strings.ContainsRune(name, filepath.Separator) || strings.HasSuffix(name, ".yaml")
}

// ErrUnknown is a name that no scenario has.
var ErrUnknown = errors.New("there is no scenario")

// read finds a built-in scenario.
func read(name string) ([]byte, error) {
	text, err := files.ReadFile(scenario.BaseFile(name))
	if err != nil {
		meant := ""
		if n := near(name, Names()); n != "" {
			meant = "did you mean " + n + "? "
		}
		return nil, fmt.Errorf("%w %q; %sgetvpn-lab list shows those that there are, and a file of your own has a name that ends in .yaml", ErrUnknown, name, meant)
	}
	return text, nil
}
