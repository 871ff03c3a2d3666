package config

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const maxFile = 1 << 20

// LoadKS reads and checks a key server's configuration.
func LoadKS(path string) (*KS, error) {
	c := new(KS)
	return c, load(path, &c.Common, func(d *decoder, v *value) { d.ks(v, c) })
}

// LoadGM reads and checks a group member's configuration.
func LoadGM(path string) (*GM, error) {
	c := new(GM)
	return c, load(path, &c.Common, func(d *decoder, v *value) { d.gm(v, c) })
}

func load(path string, c *Common, decode func(*decoder, *value)) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if info.Size() > maxFile {
		return fmt.Errorf("%w: %s has %d octets; that is no configuration of ours", ErrInvalid, path, info.Size())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	d := &decoder{
		file:  path,
		dir:   filepath.Dir(path),
		lines: strings.Split(string(bytes.TrimRight(text, "\n")), "\n"),
		open:  info.Mode().Perm()&0o044 != 0,
	}
	if v := d.parse(text); v != nil {
		decode(d, v)
	}
	c.File, c.Warnings, c.Hints = path, d.warnings, d.hints
	return d.err()
}

// path makes a path absolute against the configuration file's directory.
func (d *decoder) path(into *string) func(*value) {
	return func(v *value) {
		d.str(into)(v)
		if *into != "" && !filepath.IsAbs(*into) {
			*into = filepath.Join(d.dir, *into)
		}
	}
}
