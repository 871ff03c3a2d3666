package custody

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/term"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/hsm/pkcs11"
)

// PIN is where the PIN of a custody section comes from.
func PIN(c *config.Custody) pkcs11.PIN {
	switch p := c.PIN; {
	case p.Prompt:
		return once(func() ([]byte, error) { return Prompt(fmt.Sprintf("PIN of the token %s: ", c.Token)) })
	case p.Credential != "":
		return pkcs11.PINCredential(p.Credential)
	default:
		return pkcs11.PINFile(p.File)
	}
}

// once asks a person, and keeps the answer for the logins after the token was lost: nobody may be there then.
func once(ask func() ([]byte, error)) pkcs11.PIN {
	var (
		mu   sync.Mutex
		kept *machine.Secret
	)
	return func(ctx context.Context) ([]byte, error) {
		mu.Lock()
		defer mu.Unlock()
		if kept == nil {
			typed, err := ask()
			if err != nil {
				return nil, err
			}
			kept = machine.TakeSecret(typed)
		}
		return bytes.Clone(kept.Bytes()), ctx.Err()
	}
}

// maxPIN is the most that a token takes (CK_ULONG is wide, tokens are not).
const maxPIN = 255

// Prompt asks the terminal for a PIN, which it does not show. The caller wipes it.
func Prompt(question string) ([]byte, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, errors.New("custody: there is no terminal to ask for the PIN: write pin: {file: PATH}, or {credential: NAME} for a service")
	}
	defer tty.Close()
	return ask(tty, question, func() ([]byte, error) { return term.ReadPassword(int(tty.Fd())) })
}

func ask(w io.Writer, question string, read func() ([]byte, error)) ([]byte, error) {
	fmt.Fprint(w, question)
	typed, err := read()
	fmt.Fprintln(w)
	if err != nil {
		return nil, fmt.Errorf("custody: PIN: %w", err)
	}
	if len(typed) == 0 || len(typed) > maxPIN {
		clear(typed)
		return nil, fmt.Errorf("custody: a PIN has 1 to %d octets", maxPIN)
	}
	return typed, nil
}
