package tun

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// ErrClosed is what Read and Write return after Close.
var ErrClosed = os.ErrClosed

// ErrName is wrapped by the refusal of an interface name.
var ErrName = errors.New("tun: bad interface name")

// Device is a network interface that carries IP packets without a link header.
type Device interface {
	// Read waits for at least one packet and returns up to len(bufs) of them. Packet i is in bufs[i][offset:] and
	// sizes[i] octets long.
	Read(bufs [][]byte, sizes []int, offset int) (n int, err error)
	// Write gives the packets bufs[i][offset:] to the kernel and returns how many it took. A packet that the kernel
	// refuses costs only itself; the error is set only when the device is of no more use.
	Write(bufs [][]byte, offset int) (n int, err error)
	// Name returns the interface's name.
	Name() string
	// MTU returns the interface's MTU as it is now.
	MTU() (int, error)
	// Close makes the interface vanish, with every route through it, and unblocks Read.
	Close() error
}

// MaxName is the length of an interface name that the kernel takes (IFNAMSIZ less the final NUL).
const MaxName = 15

// CheckName says whether the kernel would take the name as it is. songgao/water cuts a long name silently, and the
// routes would then go to an interface that does not exist.
func CheckName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%w: it is empty", ErrName)
	case len(name) > MaxName:
		return fmt.Errorf("%w: %q has %d octets, at most %d are possible", ErrName, name, len(name), MaxName)
	case name == "." || name == "..":
		return fmt.Errorf("%w: %q is a directory", ErrName, name)
	case strings.ContainsAny(name, "/:% \t\n\r\v\f\x00"):
		return fmt.Errorf("%w: %q has a character that the kernel refuses (blank, '/', ':', '%%')", ErrName, name)
	}
	return nil
}
