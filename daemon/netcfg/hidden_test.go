package netcfg

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// sendRole sends one IPv6 packet, given in hexadecimal, as it is.
func sendRole(arg string) error {
	b, err := hex.DecodeString(arg)
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	if err := unix.Sendto(fd, b, 0, &unix.SockaddrInet6{Addr: [16]byte(b[24:40])}); err != nil {
		return err
	}
	fmt.Println("ready")
	return nil
}

// fragment6 is an IPv6 fragment from h1 to h2.
func fragment6(next byte, offset uint16, payload ...byte) string {
	b := make([]byte, 48, 48+len(payload))
	b[0], b[6], b[7], b[40] = 0x60, 44, 64, next
	binary.BigEndian.PutUint16(b[4:], uint16(8+len(payload)))
	copy(b[8:], netip.MustParseAddr("2001:db8:1::2").AsSlice())
	copy(b[24:], netip.MustParseAddr("2001:db8:2::2").AsSlice())
	binary.BigEndian.PutUint16(b[42:], offset)
	return hex.EncodeToString(append(b, payload...))
}

// TestGuardLaterFragments: with the daemon dead, no part of a packet that the rule means leaves, although only the first shows
// that it does.
func TestGuardLaterFragments(t *testing.T) {
	l := dualLab(t)
	rules := []string{"permit udp 10.0.0.0/8 10.0.0.0/8 eq 8080", "permit udp 2001:db8::/32 2001:db8::/32 eq 8080"}
	gm1 := l.run("gm1", "member", memberArg{Name: "gm1", Gateway: "10.1.1.1", SID: 1, Rules: rules, Registered: true, Protect6: true})
	l.run("gm2", "member", memberArg{Name: "gm2", Gateway: "10.2.2.1", SID: 2, Rules: rules, Registered: true, Protect6: true})
	_ = gm1.signal(syscall.SIGKILL)
	hops := make([]byte, 16)
	seen := l.captured(func() {
		for _, dst := range []string{"10.2.2.2:8080", "[2001:db8:2::2]:8080"} {
			l.probe("h1", probeArg{Dst: dst, Size: 4000, Count: 2, Wait: 50})
		}
		for _, next := range []byte{0, 43, 60} { // a protocol that nobody can see
			l.run("h1", "send", fragment6(next, 8|1, hops...))
		}
	})
	if len(seen) != 0 {
		t.Errorf("leaked %v", seen)
	}
	// What the rules cannot mean passes.
	seen = l.captured(func() {
		l.probe("h1", probeArg{Dst: "[2001:db8:2::2]:9", Count: 2, Wait: 50})
		l.run("h1", "send", fragment6(47, 8|1, hops...))
	})
	if seen["2001:db8:1::2>2001:db8:2::2 17/9"] != 2 || seen["2001:db8:1::2>2001:db8:2::2 47"] != 1 {
		t.Errorf("not in clear: %v", seen)
	}
}
