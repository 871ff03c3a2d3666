package check

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// receiveBuffer gives a socket a buffer of that many bytes, or as many as net.core.rmem_max allows where only root of the machine may go
// beyond it.
func receiveBuffer(fd, size int) error {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, size) == nil {
		return nil
	}
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, size)
}

// cramped says what to do about a capture that missed packets, when it could not have the buffer that it wanted.
func (c *Capture) cramped() string {
	for _, fd := range c.fds {
		if size, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF); err == nil && size < captureBuffer {
			return fmt.Sprintf("the kernel gave the capture too little room: sudo sysctl net.core.rmem_max=%d", captureBuffer)
		}
	}
	return ""
}
