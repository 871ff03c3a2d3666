package peers

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/getvpn/getvpn/lab/bench"
)

// tcp measures iperf3 flows: Gbit/s received, and the busy seconds of all processors for each GB.
func (v *visit) tcp(ctx context.Context, name string, flows int, got func(test string, v float64)) error {
	before, err := busy()
	if err != nil {
		return err
	}
	f, err := bench.Iperf(ctx, v.lab, hostA, hostB, v.Seconds, flows)
	if err != nil {
		return err
	}
	after, err := busy()
	if err != nil {
		return err
	}
	if f.Bytes == 0 {
		return errors.New("nothing arrived")
	}
	got(name, f.Gbit)
	got(name+cpuSuffix, (after-before)/(f.Bytes/1e9))
	return nil
}

// busy is the time, in seconds, that the processors have worked (proc_stat(5)): everything but idle and iowait.
func busy() (float64, error) {
	f, err := os.Open("/proc/stat")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	in := bufio.NewScanner(f)
	if !in.Scan() {
		return 0, fmt.Errorf("/proc/stat: %w", in.Err())
	}
	fields := strings.Fields(in.Text())
	if len(fields) < 8 || fields[0] != "cpu" {
		return 0, errors.New("/proc/stat: unexpected form")
	}
	const ticks = 100 // USER_HZ
	sum := 0.0
	for i, s := range fields[1:8] {
		if i == 3 || i == 4 {
			continue
		}
		n, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return 0, err
		}
		sum += n / ticks
	}
	return sum, nil
}

const (
	batch      = 64
	headers    = 28 // IPv4 and UDP
	tolerated  = 0.001
	drainPause = 200 * time.Millisecond // what is in queues still arrives
)

// mmsghdr is struct mmsghdr of sendmmsg(2); Go pads it as C does.
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32
}

// messages are buffers for sendmmsg and recvmmsg.
func messages(size int) ([]mmsghdr, [][]byte) {
	msgs, bufs, iov := make([]mmsghdr, batch), make([][]byte, batch), make([]unix.Iovec, batch)
	for i := range msgs {
		bufs[i] = make([]byte, size)
		iov[i].Base = &bufs[i][0]
		iov[i].SetLen(size)
		msgs[i].hdr.Iov = &iov[i]
		msgs[i].hdr.SetIovlen(1)
	}
	return msgs, bufs
}

func mmsg(call uintptr, fd int, msgs []mmsghdr, flags int) (int, error) {
	n, _, e := unix.Syscall6(call, uintptr(fd), uintptr(unsafe.Pointer(&msgs[0])), uintptr(len(msgs)), uintptr(flags), 0, 0) //nolint:gosec // a system call
	if e != 0 {
		return 0, e
	}
	return int(n), nil
}

// sink counts, in the namespace of the receiving host, the datagrams of the probe that is running.
type sink struct {
	fd    int
	run   atomic.Uint32
	count atomic.Uint64
	ended chan struct{}
}

func udpSocket() (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 32<<20)
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, 8<<20)
	return fd, nil
}

func (v *visit) sink() (*sink, error) {
	s := &sink{ended: make(chan struct{})}
	err := v.lab.Inside(hostB, func() (err error) {
		if s.fd, err = udpSocket(); err != nil {
			return err
		}
		_ = unix.SetsockoptTimeval(s.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 100_000})
		return unix.Bind(s.fd, &unix.SockaddrInet4{Port: int(sinkPort.Port()), Addr: sinkPort.Addr().As4()})
	})
	if err != nil {
		return nil, err
	}
	go s.receive()
	return s, nil
}

func (s *sink) receive() {
	defer close(s.ended)
	msgs, bufs := messages(2048)
	for {
		n, err := mmsg(unix.SYS_RECVMMSG, s.fd, msgs, unix.MSG_WAITFORONE)
		if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
			if s.run.Load() == over {
				return
			}
			continue
		}
		if err != nil {
			return
		}
		run, got := s.run.Load(), uint64(0)
		for i := range n {
			if binary.BigEndian.Uint32(bufs[i]) == run {
				got++
			}
		}
		s.count.Add(got)
	}
}

// over is the number of no probe.
const over = ^uint32(0)

func (s *sink) close() {
	s.run.Store(over)
	<-s.ended
	unix.Close(s.fd)
}

// offered is what became of a probe.
type offered struct {
	sent, received uint64
	seconds        float64
}

func (o offered) rate() float64    { return float64(o.sent) / o.seconds }
func (o offered) arrived() float64 { return float64(o.received) / o.seconds }
func (o offered) loss() float64    { return 1 - float64(o.received)/float64(max(o.sent, 1)) }

// probe sends packets of size octets, IP header included, at a rate (0: as many as go) for d.
func (v *visit) probe(s *sink, size int, rate float64, d time.Duration) (o offered, err error) {
	var fd int
	err = v.lab.Inside(hostA, func() (err error) {
		if fd, err = udpSocket(); err != nil {
			return err
		}
		return unix.Connect(fd, &unix.SockaddrInet4{Port: int(sinkPort.Port()), Addr: sinkPort.Addr().As4()})
	})
	if err != nil {
		return o, err
	}
	defer unix.Close(fd)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	msgs, bufs := messages(size - headers)
	run := (s.run.Load() + 1) % over
	for i := range bufs {
		binary.BigEndian.PutUint32(bufs[i], run)
	}
	s.count.Store(0)
	s.run.Store(run)
	start := time.Now()
	for time.Since(start) < d {
		n := batch
		if rate > 0 {
			due := uint64(rate*time.Since(start).Seconds()) + 1
			if due <= o.sent {
				time.Sleep(100 * time.Microsecond)
				continue
			}
			n = int(min(due-o.sent, batch/2))
		}
		m, err := mmsg(unix.SYS_SENDMMSG, fd, msgs[:n], 0)
		switch {
		case err == nil:
			o.sent += uint64(m)
		case errors.Is(err, unix.ENOBUFS), errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR), errors.Is(err, unix.ECONNREFUSED):
		case errors.Is(err, unix.EHOSTUNREACH), errors.Is(err, unix.ENETUNREACH): // a tunnel that is not up yet
			time.Sleep(time.Millisecond)
		default:
			return o, err
		}
	}
	o.seconds = time.Since(start).Seconds()
	time.Sleep(drainPause)
	o.received = s.count.Load()
	return o, nil
}

// udp finds the highest rate, in packets a second, at which no more than 0.1 % is lost.
func (v *visit) udp(ctx context.Context, name string, size int, got func(test string, v float64)) error {
	s, err := v.sink()
	if err != nil {
		return err
	}
	defer s.close()
	best, err := search(v.Steps, func(rate float64) (offered, error) {
		if ctx.Err() != nil {
			return offered{}, ctx.Err()
		}
		return v.probe(s, size, rate, v.Probe)
	})
	if err != nil {
		return err
	}
	got(name, best)
	return nil
}

// search begins with what arrives when everything is offered, goes down until nothing is lost, then halves the interval.
func search(steps int, probe func(rate float64) (offered, error)) (best float64, err error) {
	flood, err := probe(0)
	if err != nil {
		return 0, err
	}
	if flood.loss() <= tolerated {
		return flood.arrived(), nil
	}
	good, bad := 0.0, min(flood.rate(), 2*flood.arrived())
	try := flood.arrived()
	for range steps {
		o, err := probe(try)
		if err != nil {
			return 0, err
		}
		if o.loss() <= tolerated && o.rate() > 0.9*try { // a sender that did not keep up proves nothing
			good, best = try, max(best, o.arrived())
		} else {
			bad = try
		}
		if good == 0 {
			try = 0.7 * bad
		} else {
			try = (good + bad) / 2
		}
	}
	return best, nil
}
