package driver

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// OpenLog opens what a program of a node has written. The node may write to the directory: what is there is opened only if it is a file,
// and a link to one of the host's is none.
func OpenLog(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, unix.ELOOP) {
		return nil, fmt.Errorf("%s is a link, which is not followed: a program of the node may have made it", path)
	}
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = fmt.Errorf("%s is no file", path)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Tail returns the last lines of a file, for error messages.
func Tail(path string, lines int) string {
	f, err := OpenLog(path)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	var last []string
	in := bufio.NewScanner(f)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		if last = append(last, "  "+in.Text()); len(last) > lines {
			last = last[1:]
		}
	}
	if len(last) == 0 {
		return "  (empty)"
	}
	return strings.Join(last, "\n")
}
