package client

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// SpaceVariable is the environment variable that marks the processes of an ordinary user's labs, which all live in one user namespace
// (package lab/space): its value is the directory of these labs.
const SpaceVariable = "GETVPN_LAB_SPACE"

// LabDir is where getvpn-lab keeps labs, and their control sockets: $GETVPN_LAB_DIR, or /run/getvpn-lab when root asks. Another user's
// labs are in $XDG_RUNTIME_DIR/getvpn-lab or, where there is no such directory of the user's own, in /tmp/getvpn-lab-UID. The path is
// absolute: daemons and containers get it, and what a lab has made says by it whose it is.
func LabDir() string {
	if dir := os.Getenv("GETVPN_LAB_DIR"); dir != "" {
		if abs, err := filepath.Abs(dir); err == nil {
			return abs
		}
		return dir
	}
	if os.Geteuid() == 0 {
		if dir := os.Getenv(SpaceVariable); dir != "" {
			return dir // a user who is root in a namespace of their own
		}
		return "/run/getvpn-lab"
	}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" && own(dir) == nil { // su(1) may leave root's in the environment
		return filepath.Join(dir, "getvpn-lab")
	}
	return fallback()
}

// temporary is where every user may make directories, and nobody takes away another's; tests have another.
var temporary = "/tmp"

func fallback() string { return fmt.Sprintf("%s/getvpn-lab-%d", temporary, os.Geteuid()) }

// CheckLabDir refuses a directory below /tmp that somebody else has made, or may write to: what is in it is not to be believed. One that
// is not there yet is nobody's: who finds a lab, or has made the directory, asks TrustLabDir.
func CheckLabDir() error {
	if err := TrustLabDir(); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// TrustLabDir is CheckLabDir for a directory that has to be there: nobody else can put another in its place afterwards, as nobody takes
// away what is another's in /tmp.
func TrustLabDir() error {
	dir := LabDir()
	if dir != fallback() {
		return nil
	}
	st, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	return TrustAsLabDir(st)
}

// TrustAsLabDir is TrustLabDir for what was found, or opened, at its path.
func TrustAsLabDir(st fs.FileInfo) error {
	dir := LabDir()
	if dir != fallback() {
		return nil
	}
	if err := owned(dir, st); err != nil {
		return fmt.Errorf("%w: labs would be kept there; take it away, or name another directory in GETVPN_LAB_DIR", err)
	}
	return nil
}

// own fails when a directory is not this user's, and of nobody else's to write.
func own(dir string) error {
	st, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	return owned(dir, st)
}

func owned(dir string, st fs.FileInfo) error {
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok || !st.IsDir() || int(sys.Uid) != os.Geteuid() || st.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("%s is no directory that belongs to user %d alone", dir, os.Geteuid())
	}
	return nil
}
