package loop

import (
	"os"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/getvpn/getvpn/gdoi/machine"
)

// Clock gives a loop its time. Tests give it one that runs faster.
type Clock interface {
	Now() machine.Now
	// Until is how long, in real time, it is until i; not positive if i has come.
	Until(i machine.Instant) time.Duration
}

// SystemClock is the clock of daemons. Mono counts from the boot of the system, and goes on while the system is suspended
// (CLOCK_BOOTTIME), which Go's monotonic clock does not: keys expire then, too, and a group's time passes.
type SystemClock struct {
	origin    time.Time
	boot      func() int64 // CLOCK_BOOTTIME
	boottime  int64        // at origin
	suspended atomic.Int64 // since then
	checked   atomic.Int64 // when that was asked last, since origin
}

// askSuspended is how often the system is asked whether it was suspended: asking takes a system call, and packets want to
// know the time.
const askSuspended = 10 * time.Millisecond

// NewSystemClock returns the system's clock.
func NewSystemClock() *SystemClock { return newSystemClock(boottime) }

func newSystemClock(boot func() int64) *SystemClock {
	return &SystemClock{origin: time.Now(), boot: boot, boottime: boot()}
}

func boottime() int64 {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &t) != nil {
		return 0 // cannot be: Linux has had it since 2.6.39
	}
	return t.Nano()
}

// Boot names the boot that Mono counts from; empty if the system does not say.
func (*SystemClock) Boot() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// Now implements Clock.
func (c *SystemClock) Now() machine.Now {
	t := time.Now()
	return machine.Now{Mono: c.mono(t), Wall: t.Round(0)}
}

func (c *SystemClock) mono(t time.Time) machine.Instant {
	awake := int64(t.Sub(c.origin))
	if last := c.checked.Load(); awake-last > int64(askSuspended) && c.checked.CompareAndSwap(last, awake) {
		// The two clocks are read one after the other: less than a millisecond is no suspension.
		if s := c.boot() - c.boottime - int64(time.Since(c.origin)); s > c.suspended.Load()+int64(time.Millisecond) {
			c.suspended.Store(s)
		}
	}
	return machine.Instant(c.boottime + awake + c.suspended.Load())
}

// Until implements Clock.
func (c *SystemClock) Until(i machine.Instant) time.Duration { return i.Sub(c.mono(time.Now())) }
