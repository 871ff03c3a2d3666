package process

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Harden keeps key material out of core dumps and away from debuggers of other users. The Go runtime cannot lock pages
// that it moves keys through, so swap must be off or encrypted; the README says so.
func Harden() error {
	err := errors.Join(
		unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0),
		unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}),
	)
	if err != nil {
		return fmt.Errorf("keep keys out of core dumps: %w", err)
	}
	return nil
}
