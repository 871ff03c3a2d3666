package driver

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// The system knows what a lab has made by the lab's name alone, and labs of other directories may have the same one: containers,
// networks and namespaces say which directory theirs is.

// ErrElsewhere is what Elsewhere says.
var ErrElsewhere = errors.New("is kept in another directory")

// Elsewhere fails when what bears the lab's name is of a lab that another directory has, base. Half a lab whose run directory has gone
// may be cleared from anywhere, and so may what does not say where its lab is kept (base is empty).
func Elsewhere(lab, base string) error {
	if base == "" || base == Base() {
		return nil
	}
	there, err := os.Stat(filepath.Join(base, lab))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil
	}
	if ours, err2 := os.Stat(Dir(lab)); err == nil && err2 == nil && os.SameFile(there, ours) { // by another name
		return nil
	}
	return fmt.Errorf("lab %s %w, %s: give the command as GETVPN_LAB_DIR=%s getvpn-lab COMMAND", lab, ErrElsewhere, base, base)
}
