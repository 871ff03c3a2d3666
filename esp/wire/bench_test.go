package wire

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// BenchmarkModes compares the modes in interleaved rounds, nanoseconds for a packet on one core, everything in the kernel
// included: sending to a far end that drops at its ingress; receiving what a packet socket at the far end sends, with that
// sending (the same for all modes) in it. Run with -benchtime=1x.
func BenchmarkModes(b *testing.B) {
	if os.Getenv("GETVPN_TEST_CHILD") == "" {
		if os.Geteuid() != 0 {
			b.Skip("needs root")
		}
		cmd := exec.Command(os.Args[0], "-test.run=^$", "-test.bench=^BenchmarkModes$", "-test.benchtime=1x")
		cmd.Env = append(os.Environ(), "GETVPN_TEST_CHILD=bench")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
		out, err := cmd.CombinedOutput()
		if err != nil {
			b.Fatalf("%v\n%s", err, out)
		}
		b.Logf("%s", out)
		return
	}
	const rounds = 7
	for _, size := range []int{100, 1486} {
		sent, got := map[Mode][]float64{}, map[Mode][]float64{}
		for range rounds {
			for _, m := range modes {
				s, r := measure(b, m, size)
				sent[m], got[m] = append(sent[m], s), append(got[m], r)
			}
		}
		for _, m := range modes {
			fmt.Printf("%4d octets %-6s  send %s   receive %s   ns, median (min-max) of %d rounds; raw/this: %.2f and %.2f\n", size, m,
				spread(sent[m]), spread(got[m]), rounds, median(sent[Raw])/median(sent[m]), median(got[Raw])/median(got[m]))
		}
	}
}

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	return s[len(s)/2]
}

func spread(v []float64) string {
	return fmt.Sprintf("%5.0f (%.0f-%.0f)", median(v), slices.Min(v), slices.Max(v))
}

// measure makes a WAN of its own for one mode and returns what a packet costs to send and to receive.
func measure(b *testing.B, m Mode, size int) (send, receive float64) {
	bw := &benchTB{TB: b}
	defer bw.cleanup()
	w := newWAN(bw)
	l, err := Open(Config{Device: "wan0", Mark: 0x848, Mode: m})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	c := l.Conns[0]
	p := v4("10.1.0.5", "10.77.1.2", 1, size)
	w.send(c, p, 1)
	if m != Raw {
		eventually(b, "the fast way", func() bool { return viaFast(c, p) })
	}
	w.there("nft", "add", "table", "netdev", "t")
	w.there("nft", "add", "chain", "netdev", "t", "c", "{ type filter hook ingress device far0 priority 0; policy drop; }")
	_ = unix.SetsockoptInt(w.far, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1)
	// The packet socket takes nothing any more; sending it still does.
	_ = unix.Bind(w.far, &unix.SockaddrLinklayer{Ifindex: w.farIndex})

	const count, batch = 40000, 64
	pkts := make([][]byte, batch)
	start := time.Now()
	for range count / batch {
		frames := c.Frames(batch)
		for i, f := range frames {
			pkts[i] = f[96 : 96+copy(f[96:], p)]
		}
		if n, err := c.WriteBatch(pkts[:len(frames)]); n != len(frames) || err != nil {
			b.Fatal(n, err, c.Stats())
		}
	}
	send = float64(time.Since(start).Nanoseconds()) / (count / batch * batch)

	frame := append(append(append([]byte{}, w.self()...), 2, 0, 0, 0, 0, 9, 8, 0), v4("10.77.1.2", "10.1.0.5", 1, size)...)
	var msgs [batch]mmsghdr
	iov := unix.Iovec{Base: &frame[0]}
	iov.SetLen(len(frame))
	for i := range msgs {
		msgs[i].hdr.Iov = &iov
		msgs[i].hdr.SetIovlen(1)
	}
	start = time.Now()
	for range count / batch {
		for at := 0; at < batch; {
			n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(w.far), uintptr(unsafe.Pointer(&msgs[at])), uintptr(batch-at), 0, 0, 0)
			if errno != 0 {
				b.Fatal(errno)
			}
			at += int(n)
		}
		for left := batch; left > 0; {
			n, err := c.ReadBatch(pkts[:left])
			if err != nil {
				b.Fatal(err)
			}
			left -= n
		}
	}
	return send, float64(time.Since(start).Nanoseconds()) / (count / batch * batch)
}

// benchTB runs the clean-up of a WAN before the end of the benchmark.
type benchTB struct {
	testing.TB
	todo []func()
}

func (b *benchTB) Cleanup(f func()) { b.todo = append(b.todo, f) }

func (b *benchTB) cleanup() {
	for _, f := range slices.Backward(b.todo) {
		f()
	}
	b.todo = nil
}
