package custody

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"

	"github.com/getvpn/getvpn/daemon/store"
	"github.com/getvpn/getvpn/hsm"
)

// StateKey is the name of the key that seals the state at rest, and StateSpec what it is made for.
const StateKey = "state"

// StateSpec is the spec of StateKey.
var StateSpec = hsm.Spec{Kind: hsm.AES256, Use: hsm.Seal}

// ErrMoved is what a state wraps that was sealed otherwise than the configuration says.
var ErrMoved = errors.New("custody: the state was sealed by another custody")

const envelopeFile = "state.envelope"

// OpenState returns the sealer of the state in a directory: an envelope under the custody's key of that name, which is
// made with the first envelope, and never for one that is there. The custody is asked once: what the sealer does after
// that takes no token.
//
// A state that was sealed by a key in a file is refused, and not sealed again: its keys have been on that disk in clear,
// and a copy of before would go on opening them.
func OpenState(ctx context.Context, h hsm.Token, dir string) (hsm.Sealer, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("custody: %w", err)
	}
	path := filepath.Join(dir, envelopeFile)
	stored, err := os.ReadFile(path)
	fresh := errors.Is(err, fs.ErrNotExist)
	if err != nil && !fresh {
		return nil, fmt.Errorf("custody: %w", err)
	}
	if fresh {
		if state := filepath.Join(dir, store.FileName); there(state) {
			return nil, fmt.Errorf("%w: %s was sealed by a key in a file, and the configuration has a custody section: keys that have been in files are not brought into a token; "+
				"move %s away to start with fresh keys (members register again when those that they have end, and a cooperating key server learns the group from the others), "+
				"or leave the section out", ErrMoved, state, dir)
		}
		if err := h.Ensure(ctx, StateKey, StateSpec); err != nil {
			return nil, fmt.Errorf("the key %q, which seals the state: %w", StateKey, err)
		}
	}
	e, stored, err := hsm.OpenEnvelope(ctx, h, StateKey, stored)
	switch {
	case errors.Is(err, hsm.ErrSealed), errors.Is(err, hsm.ErrNoKey):
		return nil, fmt.Errorf("%w: %s was sealed by the key %q of another token: use that token, or move %s away to start with fresh keys (%w)", ErrMoved, path, StateKey, dir, err)
	case err != nil:
		return nil, fmt.Errorf("the envelope of the state in %s: %w", dir, err)
	}
	if fresh {
		if err := renameio.WriteFile(path, stored, 0o600, renameio.IgnoreUmask(), renameio.WithTempDir(filepath.Dir(path))); err != nil {
			return nil, fmt.Errorf("custody: %w", err)
		}
	}
	return e, nil
}

// CheckFiles refuses a state that only a custody section can open; it is for daemons without one.
func CheckFiles(dir string) error {
	path := filepath.Join(dir, envelopeFile)
	if !there(path) {
		return nil
	}
	return fmt.Errorf("%w: the state in %s was sealed by the key %q of a custody (%s), and the configuration has no custody section: write it again, or move %s away to start with fresh keys",
		ErrMoved, dir, StateKey, path, dir)
}

func there(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
