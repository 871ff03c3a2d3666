//go:build !cgo

package pkcs11

import (
	"context"
	"fmt"

	"github.com/getvpn/getvpn/hsm"
)

// Available tells whether this build can load PKCS#11 modules.
const Available = false

// Open says that this build has no PKCS#11.
func Open(context.Context, Options) (hsm.Token, error) { return nil, errNoCgo }

// Init says that this build has no PKCS#11.
func Init(context.Context, InitOptions) (hsm.URI, error) { return hsm.URI{}, errNoCgo }

// Tokens says that this build has no PKCS#11.
func Tokens(string) ([]TokenState, error) { return nil, errNoCgo }

var errNoCgo = fmt.Errorf("%w: this program was built without cgo and cannot load a PKCS#11 module: build it with CGO_ENABLED=1, or keep keys in files", hsm.ErrUnsupported)
