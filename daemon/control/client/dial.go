package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// dial connects to the socket at a path, or to one that a link at this path names: labs of containers have links from where only the host
// writes to where the container does. There a link is followed no more: it could name any socket of the host.
func dial(ctx context.Context, path string) (net.Conn, error) {
	at := path
	if to, err := os.Readlink(path); err == nil {
		if at = to; !filepath.IsAbs(to) {
			at = filepath.Join(filepath.Dir(path), to)
		}
	}
	fd, err := unix.Open(at, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: "unix", Addr: &net.UnixAddr{Name: path, Net: "unix"}, Err: os.NewSyscallError("open", err)}
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, fmt.Errorf("%s: %w", at, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return nil, fmt.Errorf("%s is no socket", at)
	}
	d := net.Dialer{Timeout: dialTimeout}
	c, err := d.DialContext(ctx, "unix", fmt.Sprintf("/proc/self/fd/%d", fd)) // what was looked at, whatever is at the path by now
	if failed := (*net.OpError)(nil); errors.As(err, &failed) {
		failed.Addr = &net.UnixAddr{Name: path, Net: "unix"}
	}
	return c, err
}
