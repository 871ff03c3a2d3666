package config

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/getvpn/getvpn/gdoi/machine"
)

// Lengths of a pre-shared key in octets. A short key falls to an offline dictionary attack by whoever answers one
// Main Mode as the key server.
const (
	minSecret     = 8
	shortSecret   = 16
	maxSecret     = 1024
	modeOthers    = 0o007
	modeGroupBits = 0o070
)

// secretFields are the two ways to write a secret.
func (d *decoder) secretFields(s *secretText) []field {
	return []field{
		opt("secret", func(v *value) { d.str(&s.text)(v); s.at = v }),
		opt("secret-file", func(v *value) { d.str(&s.file)(v); s.at = v }),
	}
}

// secretText is what the file says about a secret.
type secretText struct {
	text, file string
	at         *value
}

// secret resolves what secretFields found inside the mapping v.
func (d *decoder) secret(v *value, s secretText) *machine.Secret {
	switch {
	case s.at == nil:
		d.fail(v, "secret-file (or secret) is missing here")
		return nil
	case s.text != "" && s.file != "":
		d.fail(s.at, "secret and secret-file are both given; keep secret-file")
		return nil
	case s.text != "":
		d.warn(s.at, "the secret stands in the configuration; put it into a file of its own (mode 0600) and name it with secret-file")
		if d.open {
			d.warn(s.at, "and others may read the configuration file: chmod 600 %s", d.file)
		}
		return d.checkSecret(s.at, []byte(s.text))
	case s.file != "":
		return d.secretFile(s.at, s.file)
	}
	return nil // empty text: reported already
}

func (d *decoder) secretFile(v *value, path string) *machine.Secret {
	if !filepath.IsAbs(path) {
		path = filepath.Join(d.dir, path)
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.fail(v, "there is no file %s: put the pre-shared key there, mode 0600", path)
		return nil
	case err != nil:
		d.fail(v, "%s", err)
		return nil
	case !info.Mode().IsRegular():
		d.fail(v, "%s is not a file", path)
		return nil
	case info.Size() > maxSecret:
		d.fail(v, "%s has %d octets; a pre-shared key has at most %d", path, info.Size(), maxSecret)
		return nil
	case info.Mode().Perm()&modeOthers != 0:
		d.fail(v, "%s is open to everybody (mode %04o): chmod 600 it, and change the secret if others have had access", path, info.Mode().Perm())
		return nil
	case info.Mode().Perm()&modeGroupBits != 0:
		d.warn(v, "%s is open to its group (mode %04o): chmod 600 it", path, info.Mode().Perm())
	}
	b, err := os.ReadFile(path)
	if err != nil {
		d.fail(v, "%s", err)
		return nil
	}
	return d.checkSecret(v, b)
}

// checkSecret takes b, which it wipes.
func (d *decoder) checkSecret(v *value, b []byte) *machine.Secret {
	defer clear(b)
	text := bytes.TrimRight(b, "\r\n")
	if len(text) < minSecret {
		d.fail(v, "the pre-shared key has %d octets; use at least %d random ones (head -c 24 /dev/urandom | base64)", len(text), shortSecret)
		return nil
	}
	if len(text) < shortSecret {
		d.warn(v, "the pre-shared key has only %d octets; use at least %d random ones", len(text), shortSecret)
	}
	return machine.NewSecret(text)
}
