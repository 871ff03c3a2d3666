// Package linger waits for descriptors whose traffic has just stopped: for a moment in the kernel, before that is left to the
// runtime's poller. A park and an unpark of the goroutine for every pause between batches would be dear.
package linger

import (
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// turns of a millisecond each: the scheduler and the garbage collector cannot do without a goroutine in a raw system call for
// longer.
const turns = 10

// For waits for an event on one of fds, and says whether there is one.
func For(fds []unix.PollFd) bool {
	for range turns {
		if Ready(fds, time.Millisecond) {
			return true
		}
		runtime.Gosched()
	}
	return false
}

// Ready waits for at most d. It also says yes when something is wrong: whoever uses the descriptors is told what.
func Ready(fds []unix.PollFd, d time.Duration) bool {
	t := unix.NsecToTimespec(int64(d))
	n, _, errno := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&fds[0])), uintptr(len(fds)), uintptr(unsafe.Pointer(&t)), 0, 0, 0)
	return errno == 0 && n > 0 || errno != 0 && errno != unix.EINTR
}
