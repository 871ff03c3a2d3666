package driver

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/getvpn/getvpn/lab/scenario"
)

// FindPrograms finds the daemons.
func FindPrograms(s *scenario.Scenario) (map[string]string, error) {
	found := map[string]string{}
	for _, n := range s.Nodes {
		if n.Program == "" {
			continue
		}
		binary := s.Programs[n.Program].Binary
		if found[binary] != "" {
			continue
		}
		path, err := FindProgram(binary)
		if err != nil {
			return nil, err
		}
		found[binary] = path
	}
	return found, nil
}

// FindProgram looks in $GETVPN_BIN, beside this program, and in PATH.
func FindProgram(binary string) (string, error) {
	var dirs []string
	if d := os.Getenv("GETVPN_BIN"); d != "" {
		dirs = append(dirs, d)
	}
	if self, err := os.Executable(); err == nil {
		dirs = append(dirs, filepath.Dir(self))
	}
	for _, d := range dirs {
		path := filepath.Join(d, binary)
		if st, err := os.Stat(path); err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 {
			return filepath.Abs(path)
		}
	}
	path, err := exec.LookPath(binary)
	if err != nil {
		return "", fmt.Errorf("%s is neither in %s nor in PATH: run 'make build'", binary, strings.Join(dirs, ", "))
	}
	return filepath.Abs(path)
}
