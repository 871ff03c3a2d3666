package config

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/getvpn/getvpn/hsm"
)

// Custody says who keeps the private keys. Without it they are in files under state.
type Custody struct {
	// Files keeps them there, and everything else is as with a token: for labs.
	Files  bool
	Module string  // path of the vendor's library
	Token  hsm.URI // by label, serial, model or manufacturer
	PIN    PIN

	Sessions int           // calls into the token at the same time
	Queue    int           // calls that may wait
	Timeout  time.Duration // of a call, waiting included

	AllowOAEPSHA1 bool // for tokens that have no other

	// Of key servers.
	KEKInToken   bool // KEKs are made in the token and encrypt there; else they are in the memory of the process
	TEKFromToken bool // TEKs are mixed from the system's generator and the token's
}

// PIN says where the PIN of the token comes from: one of these.
type PIN struct {
	File       string
	Credential string // the name of a systemd credential
	Prompt     bool   // the terminal, once
}

// Limits of custody.
const (
	maxSessions   = 64
	maxTokenQueue = 4096
	minTokenTime  = 100 * time.Millisecond
	maxTokenTime  = 10 * time.Second // a member that registers does not wait longer
)

// wordToken is a key of custody, and a value of two others.
const wordToken = "token"

// custody decodes the key of that name; server is set on a key server.
func (d *decoder) custody(v *value, server bool) *Custody {
	c := &Custody{Sessions: 4, Queue: 64, Timeout: 5 * time.Second, KEKInToken: server}
	backend, kek, tek := "pkcs11", wordToken, "system"
	given := map[string]*value{}
	note := func(key string, set func(*value)) field {
		return opt(key, func(v *value) { given[key] = v; set(v) })
	}
	fields := []field{
		opt("backend", d.oneOf(&backend, "pkcs11", "files")),
		note("module", d.path(&c.Module)),
		note("token", d.token(&c.Token)),
		note("pin", func(v *value) { d.pin(v, &c.PIN) }),
		note("sessions", d.integer(&c.Sessions, 1, maxSessions)),
		note("queue", d.integer(&c.Queue, 1, maxTokenQueue)),
		note("timeout", d.duration(&c.Timeout, minTokenTime, maxTokenTime)),
		note("allow-oaep-sha1", d.boolean(&c.AllowOAEPSHA1)),
	}
	if server {
		fields = append(fields, opt("kek", d.oneOf(&kek, wordToken, "process")), opt("tek-random", d.oneOf(&tek, "system", wordToken)))
	}
	d.object(v, fields...)
	if v.kind != mapping {
		return c
	}
	c.Files, c.KEKInToken, c.TEKFromToken = backend == "files", server && kek == wordToken, tek == wordToken
	if c.Files {
		for _, f := range fields {
			if at := given[f.key]; at != nil {
				d.fail(at, "%s is of a token, and backend: files has none; leave it out", f.key)
			}
		}
		d.warn(v, "custody: backend: files keeps the keys in plain files under state: for labs; whoever reads them has the group")
		return c
	}
	var missing []string
	for _, key := range []string{"module", wordToken, "pin"} {
		if given[key] == nil {
			missing = append(missing, key)
		}
	}
	if missing != nil {
		d.fail(v, "missing here: %s", strings.Join(missing, ", "))
	}
	if c.AllowOAEPSHA1 {
		d.warn(given["allow-oaep-sha1"], "allow-oaep-sha1: keys may move wrapped with RSA-OAEP with SHA-1, which SoftHSM needs; OAEP does not rest on what is broken of SHA-1, but policies may forbid it: remove it for a token that has SHA-256")
	}
	return c
}

// token is the URI of a token, without object, module and PIN.
func (d *decoder) token(into *hsm.URI) func(*value) {
	return func(v *value) {
		d.hide(v) // who writes a PIN into a URI has it in no error
		word(d, into, func(s string) (hsm.URI, error) {
			u, err := hsm.ParseURI(s)
			switch {
			case err != nil:
				return u, fmt.Errorf("%s; a token is written pkcs11:token=LABEL, or pkcs11:serial=NUMBER", strings.TrimPrefix(err.Error(), hsm.ErrURI.Error()+": "))
			case u.ModulePath != "" || u.PINSource != "":
				return u, errors.New("write module-path as module: PATH, and pin-source as pin: {file: PATH}")
			case u.Object != "" || u.Type != "" || u.ID != nil:
				return u, errors.New("this names a key; name the token alone: pkcs11:token=LABEL")
			case u.Matches(hsm.URI{}):
				return u, errors.New("this matches any token; write pkcs11:token=LABEL, or pkcs11:serial=NUMBER")
			}
			return u, nil
		})(v)
	}
}

// pin says where the PIN is; what stands here in its place is shown nowhere.
func (d *decoder) pin(v *value, p *PIN) {
	d.hide(v)
	if len(v.pairs) != 1 || !slices.Contains([]string{"file", "credential", "prompt"}, v.pairs[0].key.text) {
		d.fail(v, "the PIN does not stand in the configuration: write pin: {file: PATH}, {credential: NAME} or {prompt: true}")
		return
	}
	d.object(v,
		opt("file", func(v *value) {
			if d.path(&p.File)(v); p.File != "" {
				d.pinFile(v, p.File)
			}
		}),
		opt("credential", d.name(&p.Credential)),
		opt("prompt", func(v *value) {
			if p.Prompt = v.text == "true"; !p.Prompt {
				d.fail(v, "write prompt: true, or file or credential in its place")
			}
		}))
}

// pinFile checks what a login would find, so that it is known before.
func (d *decoder) pinFile(v *value, path string) {
	info, err := os.Stat(path)
	switch {
	case os.IsNotExist(err):
		d.fail(v, "there is no file %s: put the PIN there, mode 0600", path)
	case err != nil:
		d.fail(v, "%s", err)
	case !info.Mode().IsRegular():
		d.fail(v, "%s is not a file", path)
	case info.Mode().Perm()&(modeOthers|modeGroupBits) != 0:
		d.fail(v, "%s is open to others (mode %04o): chmod 600 it, and change the PIN if others have had access", path, info.Mode().Perm())
	}
}

// String is the flow mapping of the file, without a PIN.
func (c *Custody) String() string {
	b := "{backend: files"
	if !c.Files {
		b = fmt.Sprintf("{module: %s, token: %q, pin: %s, sessions: %d, queue: %d, timeout: %s, allow-oaep-sha1: %t",
			c.Module, c.Token, c.PIN, c.Sessions, c.Queue, short(c.Timeout), c.AllowOAEPSHA1)
	}
	return b + "}"
}

// serverString has what only key servers say too.
func (c *Custody) serverString() string {
	kek, tek := "process", "system"
	if c.KEKInToken {
		kek = wordToken
	}
	if c.TEKFromToken {
		tek = wordToken
	}
	return fmt.Sprintf("%s, kek: %s, tek-random: %s}", strings.TrimSuffix(c.String(), "}"), kek, tek)
}

// String is the flow mapping of the file.
func (p PIN) String() string {
	if p.Prompt {
		return "{prompt: true}"
	}
	if p.Credential != "" {
		return fmt.Sprintf("{credential: %s}", p.Credential)
	}
	return fmt.Sprintf("{file: %s}", cmp.Or(p.File, "none"))
}
