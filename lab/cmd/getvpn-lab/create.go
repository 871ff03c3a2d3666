package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// create makes a file for what the user asked for, or empties the one that is there. This program often runs as root, also in
// directories of others, who must not choose by a symbolic link which file is overwritten.
func create(file string, mode os.FileMode) (*os.File, error) {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|unix.O_NOFOLLOW, mode)
	if st, lerr := os.Lstat(file); err != nil && lerr == nil && st.Mode()&os.ModeSymlink != 0 {
		return nil, fmt.Errorf("%s is a symbolic link; name the file itself", file)
	}
	return f, err
}
