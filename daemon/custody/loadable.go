package custody

import (
	"fmt"
	"os"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/hsm"
	"github.com/getvpn/getvpn/hsm/pkcs11"
)

// Loadable finds, without loading it, what is wrong with the module of a custody section; nil and files need none.
func Loadable(c *config.Custody) error {
	if c == nil || c.Files {
		return nil
	}
	if !pkcs11.Available {
		return fmt.Errorf("custody: %w: this program was built without cgo and cannot load the module %s: build it with CGO_ENABLED=1, or leave custody: out to keep keys in files", hsm.ErrUnsupported, c.Module)
	}
	switch info, err := os.Stat(c.Module); {
	case os.IsNotExist(err):
		return fmt.Errorf("custody.module: there is no file %s: install the vendor's library (SoftHSM: apt-get install softhsm2), or name the place where it is", c.Module)
	case err != nil:
		return fmt.Errorf("custody.module: %w", err)
	case !info.Mode().IsRegular():
		return fmt.Errorf("custody.module: %s is not a file", c.Module)
	}
	return nil
}
