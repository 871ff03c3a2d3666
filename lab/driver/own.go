package driver

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
)

// A node's own directory has what is of this node and no other: its machine may have no more than that.

func (c *Common) own(node string) string { return filepath.Join(Dir(c.name), "config", node) }

// ConfigFile is the configuration file of a node's daemon in a run directory.
func ConfigFile(dir, node string) string { return filepath.Join(dir, "config", node, node+".yaml") }

func (c *Common) configFile(node string) string { return ConfigFile(Dir(c.name), node) }

// handed are the secrets that a node has.
func (c *Common) handed(node string) string { return filepath.Join(c.own(node), secretsDir) }

// all are the secrets of the lab; those of authorities are nobody else's.
func (c *Common) all() string { return filepath.Join(Dir(c.name), secretsDir) }

const secretsDir = "secrets"

// handOut gives a node the secrets that the configuration of its daemon names and that it does not have yet. One that it has had
// stays: who goes back to the configuration of before needs it.
func (c *Common) handOut(node string) error {
	text, err := os.ReadFile(c.configFile(node))
	if err != nil {
		return fmt.Errorf("configuration of %s: %w", node, err)
	}
	files, err := os.ReadDir(c.all())
	if err != nil {
		return fmt.Errorf("secrets: %w", err)
	}
	for _, f := range files {
		to := filepath.Join(c.handed(node), f.Name())
		if _, err := os.Stat(to); !errors.Is(err, fs.ErrNotExist) || !names(text, to) {
			continue
		}
		if err := replace(filepath.Join(c.all(), f.Name()), to); err != nil {
			return fmt.Errorf("secrets of %s: %w", node, err)
		}
	}
	return nil
}

// names says whether a text has the path of a file in it; that of gm1-2025 does not name gm1.
func names(text []byte, path string) bool {
	return regexp.MustCompile(regexp.QuoteMeta(path) + `([^a-zA-Z0-9._-]|$)`).Match(text)
}

// replace copies a file, with its mode, to where a daemon may be reading.
func replace(from, to string) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.WriteFile(to+".new", b, info.Mode().Perm()); err != nil {
		return err
	}
	return os.Rename(to+".new", to)
}

// renew gives a file of the lab's secrets anew to all nodes that have it.
func (c *Common) renew(file string) error {
	var errs []error
	for _, n := range c.s.Nodes {
		to := filepath.Join(c.handed(n.Name), file)
		if _, err := os.Stat(to); err == nil {
			errs = append(errs, replace(filepath.Join(c.all(), file), to))
		}
	}
	return errors.Join(errs...)
}

// MakeDir makes a directory with this mode, or gives it to one that is there: an engine of containers makes what it is to bind.
func MakeDir(mode os.FileMode, path ...string) error {
	dir := filepath.Join(path...)
	if err := errors.Join(os.MkdirAll(dir, mode), os.Chmod(dir, mode)); err != nil {
		return fmt.Errorf("run directory: %w", err)
	}
	return nil
}
