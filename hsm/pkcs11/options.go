package pkcs11

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/getvpn/getvpn/hsm"
)

// Options choose a token and say how to treat it. Zero values are replaced by the defaults beside them.
type Options struct {
	// Module is the path of the vendor's library; the module-path of the URI if empty.
	Module string
	// Token names the token by label, serial, model or manufacturer.
	Token hsm.URI
	// PIN is asked at every login: after a loss too. The pin-source of the URI if nil.
	PIN PIN

	Sessions int           // 4: calls at the same time
	Queue    int           // 64: callers that may wait for a session
	Timeout  time.Duration // 5 s: what a call may take, waiting included, unless its context ends before
	KeyTime  time.Duration // 60 s: what making a key may take, in the place of Timeout
	Backoff  time.Duration // 250 ms: after a token was not found, callers are told so that long without looking again

	// AllowOAEPSHA1 admits RSA-OAEP with SHA-1 where the token has no other (SoftHSM 2.6.1).
	AllowOAEPSHA1 bool
	// Notify hears of a token that is lost (the reason) and found again (nil). It must not block.
	Notify func(problem error)
	// Fault is for tests: it is called before a function of the module and may take its time; what is not 0 is returned
	// as the function's CK_RV in its place.
	Fault func(function string) uint
}

const maxQueue = 4096

func (o Options) normal() (Options, error) {
	if o.Module == "" {
		o.Module = o.Token.ModulePath
	}
	if o.Module == "" {
		return o, fmt.Errorf("hsm/pkcs11: no module: name the path of the vendor's library")
	}
	if o.Token.TokenURI().Matches(hsm.URI{}) {
		return o, fmt.Errorf("hsm/pkcs11: no token: name its label or serial (pkcs11:token=...), slots are numbered anew when devices move")
	}
	if o.PIN == nil && o.Token.PINSource != "" {
		o.PIN = PINFile(o.Token.PINSource)
	}
	if o.PIN == nil {
		return o, fmt.Errorf("hsm/pkcs11: no PIN: name a file, a credential or a prompt")
	}
	set := func(v *int, def, most int) {
		if *v <= 0 {
			*v = def
		}
		*v = min(*v, most)
	}
	set(&o.Sessions, 4, 64)
	set(&o.Queue, 64, maxQueue)
	if o.Timeout <= 0 {
		o.Timeout = 5 * time.Second
	}
	if o.KeyTime <= 0 {
		o.KeyTime = time.Minute
	}
	if o.Backoff <= 0 {
		o.Backoff = 250 * time.Millisecond
	}
	if o.Notify == nil {
		o.Notify = func(error) {}
	}
	if o.Fault == nil {
		o.Fault = func(string) uint { return 0 }
	}
	return o, nil
}

// PIN returns the PIN. The octets are wiped after the login.
type PIN func(ctx context.Context) ([]byte, error)

const maxPIN = 255

// PINFile reads the PIN from a file that only its owner may open; a newline at the end is not part of it.
func PINFile(path string) PIN {
	path = withoutScheme(path)
	return func(context.Context) ([]byte, error) {
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("hsm/pkcs11: PIN: %w", err)
		}
		if info.Mode().Perm()&0o077 != 0 {
			return nil, fmt.Errorf("hsm/pkcs11: PIN: %s is open to others (mode %04o): chmod go= it, and change the PIN if others have had access", path, info.Mode().Perm())
		}
		return readPIN(path)
	}
}

// PINCredential reads the PIN from a systemd credential (LoadCredential=, systemd.exec(5)).
func PINCredential(name string) PIN {
	return func(context.Context) ([]byte, error) {
		dir := os.Getenv("CREDENTIALS_DIRECTORY")
		if dir == "" || name == "" || filepath.Base(name) != name {
			return nil, fmt.Errorf("hsm/pkcs11: PIN: there is no credential %q: set LoadCredential=%s:FILE in the unit", name, name)
		}
		return readPIN(filepath.Join(dir, name))
	}
}

func readPIN(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("hsm/pkcs11: PIN: %w", err)
	}
	defer f.Close()
	b := make([]byte, maxPIN+2)
	n, _ := io.ReadFull(f, b) // it is shorter than b, or too long
	pin := bytes.TrimRight(b[:n], "\r\n")
	if len(pin) == 0 || len(pin) > maxPIN {
		clear(b)
		return nil, fmt.Errorf("hsm/pkcs11: PIN: %s does not hold one of 1 to %d octets", path, maxPIN)
	}
	return pin, nil
}

// withoutScheme: RFC 7512 §2.4 allows a pin-source to be a file URI.
func withoutScheme(source string) string {
	path, ok := strings.CutPrefix(source, "file:")
	if !ok || path == "" {
		return source
	}
	if strings.HasPrefix(path, "///") {
		return path[len("//"):]
	}
	return path
}
