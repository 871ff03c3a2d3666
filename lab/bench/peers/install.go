package peers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// need is a program that a peer is made of, and where it comes from: Debian's packages, or a Go module at a version.
type need struct {
	program  string
	packages []string
	module   string
}

// install sees to it that programs are there.
func (c Config) install(ctx context.Context, needs []need) error {
	for _, n := range needs {
		if _, err := c.program(n.program); err == nil {
			continue
		}
		if !c.Install {
			return fmt.Errorf("%s is not installed, and nothing shall be", n.program)
		}
		fmt.Fprintf(c.Log, "installing %s\n", n.program)
		var err error
		if n.module != "" {
			err = c.goInstall(ctx, n.module)
		} else {
			err = aptInstall(ctx, n.packages)
		}
		if err != nil {
			return err
		}
		if _, err := c.program(n.program); err != nil {
			return err
		}
	}
	return nil
}

// program finds one, in the cache first; what apt puts beside root's path is found as well.
func (c Config) program(name string) (string, error) {
	path := filepath.Join(c.Cache, name)
	if exists(path) {
		return path, nil
	}
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/sbin", "/sbin"} {
		if path := filepath.Join(dir, name); exists(path) {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is not installed", name)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func (c Config) goInstall(ctx context.Context, module string) error {
	if err := os.MkdirAll(c.Cache, 0o755); err != nil { //nolint:gosec // programs, for everybody
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "install", module) //nolint:gosec // from the table of peers
	cmd.Dir = c.Cache                                        // outside our module
	cmd.Env = append(os.Environ(), "GOBIN="+c.Cache, "GOFLAGS=")
	return said(cmd)
}

// policyFile keeps the maintainer scripts of Debian packages from starting services (invoke-rc.d(8)).
const policyFile = "/usr/sbin/policy-rc.d"

func aptInstall(ctx context.Context, packages []string) error {
	f, err := os.OpenFile(policyFile, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755) //nolint:gosec // a script
	if err == nil {
		defer os.Remove(policyFile)
		_, err = f.WriteString("#!/bin/sh\nexit 101\n")
		err = errors.Join(err, f.Close())
	}
	if err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	install := func() error {
		cmd := exec.CommandContext(ctx, "apt-get", append([]string{"install", "-y", "--no-install-recommends"}, packages...)...) //nolint:gosec // as above
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		return said(cmd)
	}
	if install() == nil {
		return nil
	}
	if err := said(exec.CommandContext(ctx, "apt-get", "update")); err != nil { // the lists may be old, or not there at all
		return err
	}
	return install()
}

// said runs a command; its error ends with what it printed last.
func said(cmd *exec.Cmd) error {
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, lines[len(lines)-1])
}
