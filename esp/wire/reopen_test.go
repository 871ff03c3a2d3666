package wire

import (
	"os"
	"runtime"
	"testing"
	"time"
)

// TestReopening opens and closes the WAN as a daemon does whose interface flaps: nothing may be left of any time.
func TestReopening(t *testing.T) {
	eachMode(t, func(t *testing.T, _ *wan, l *Link) {
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		held := func() (fds, goroutines int) {
			list, err := os.ReadDir("/proc/self/fd")
			if err != nil {
				t.Fatal(err)
			}
			return len(list), runtime.NumGoroutine()
		}
		cycle := func() {
			again, err := Open(Config{Device: "wan0", Mark: 0x848, Mode: l.Mode})
			if err != nil {
				t.Fatal(err)
			}
			in := background(again.Conns[0])
			if err := again.Close(); err != nil {
				t.Fatal(err)
			}
			if g := <-in; g.err == nil {
				t.Fatalf("read %x", g.p)
			}
			e, err := OpenErrors("wan0", 0x848)
			if err != nil {
				t.Fatal(err)
			}
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
		}
		cycle() // what stays for the life of the process is there now
		fds, goroutines := held()
		for range 30 {
			cycle()
		}
		var f, g int
		for end := time.Now().Add(30 * time.Second); time.Now().Before(end); runtime.Gosched() {
			if f, g = held(); f <= fds && g <= goroutines {
				return
			}
		}
		stack := make([]byte, 1<<16)
		t.Errorf("%d descriptors instead of %d, %d goroutines instead of %d\n%s", f, fds, g, goroutines, stack[:runtime.Stack(stack, true)])
	})
}
