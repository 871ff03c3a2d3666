package transport

import (
	"errors"
	"net/netip"
	"testing"
	"time"
)

type datagram struct {
	local, remote netip.AddrPort
	text          string
}

func listen(t *testing.T, addr string) (*Conn, <-chan datagram) {
	t.Helper()
	c, err := Listen(netip.MustParseAddrPort(addr), Options{})
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan datagram, 10)
	ended := make(chan error, 1)
	go func() {
		ended <- c.Receive(func(l, r netip.AddrPort, b []byte) { got <- datagram{l, r, string(b)} })
	}()
	t.Cleanup(func() {
		_ = c.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return c, got
}

func next(t *testing.T, ch <-chan datagram) datagram {
	t.Helper()
	select {
	case d := <-ch:
		return d
	case <-time.After(30 * time.Second):
		t.Fatal("nothing arrived")
		return datagram{}
	}
}

func TestBound(t *testing.T) {
	a, gotA := listen(t, "127.0.0.1:0")
	b, gotB := listen(t, "127.0.0.2:0")
	if err := a.Send(a.Local(), b.Local(), []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if got, want := next(t, gotB), (datagram{b.Local(), a.Local(), "hello"}); got != want {
		t.Errorf("%v, want %v", got, want)
	}
	big := make([]byte, 60000) // beyond the MTU of anything but loopback, and DF is clear
	if err := b.Send(b.Local(), a.Local(), big); err != nil {
		t.Fatal(err)
	}
	if got := next(t, gotA); len(got.text) != len(big) {
		t.Errorf("%d octets of %d", len(got.text), len(big))
	}
}

// TestWildcard: a socket bound to every address answers from the one that was asked.
func TestWildcard(t *testing.T) {
	for _, addr := range []struct{ all, asker, asked string }{{"0.0.0.0:0", "127.0.0.1:0", "127.0.0.7"}, {"[::]:0", "[::1]:0", "::1"}} {
		w, gotW := listen(t, addr.all)
		c, gotC := listen(t, addr.asker)
		asked := netip.AddrPortFrom(netip.MustParseAddr(addr.asked), w.Local().Port())
		if err := c.Send(c.Local(), asked, []byte("ask")); err != nil {
			t.Fatal(err)
		}
		d := next(t, gotW)
		if d.local != asked || d.remote != c.Local() {
			t.Fatalf("%v, want local %v", d, asked)
		}
		if err := w.Send(d.local, d.remote, []byte("answer")); err != nil {
			t.Fatal(err)
		}
		if got, want := next(t, gotC), (datagram{c.Local(), asked, "answer"}); got != want {
			t.Errorf("%v, want %v", got, want)
		}
	}
}

// TestSockets: two wildcards on one port, each of its family; a peer of either is answered from the socket that it asked, and
// closing ends both.
func TestSockets(t *testing.T) {
	first, err := Listen(netip.MustParseAddrPort("0.0.0.0:0"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	port := first.Local().Port()
	_ = first.Close()
	s, err := Open([]netip.AddrPort{netip.AddrPortFrom(netip.IPv4Unspecified(), port), netip.AddrPortFrom(netip.IPv6Unspecified(), port)}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		ended <- s.Receive(func(l, r netip.AddrPort, b []byte) { _ = s.Send(l, r, append([]byte("re: "), b...)) })
	}()
	for _, peer := range []string{"127.0.0.1", "::1"} {
		c, got := listen(t, netip.AddrPortFrom(netip.MustParseAddr(peer), 0).String())
		to := netip.AddrPortFrom(c.Local().Addr(), port)
		if err := c.Send(c.Local(), to, []byte(peer)); err != nil {
			t.Fatal(err)
		}
		if d := next(t, got); d.text != "re: "+peer || d.remote != to {
			t.Errorf("%v", d)
		}
	}
	_ = s.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	one, err := Open([]netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer one.Close()
	if err := one.Send(netip.AddrPort{}, netip.MustParseAddrPort("[::1]:9"), nil); !errors.Is(err, ErrAddress) {
		t.Errorf("sent to a family without a socket: %v", err)
	}
	if _, err := Open([]netip.AddrPort{netip.MustParseAddrPort("[::1]:0"), one.Local()[0]}, Options{}); !errors.Is(err, ErrAddress) {
		t.Errorf("the second address is taken: %v", err)
	}
}

// TestUnreachable: the ICMP error of a dead peer does not end the socket.
func TestUnreachable(t *testing.T) {
	a, gotA := listen(t, "127.0.0.1:0")
	dead, err := Listen(netip.MustParseAddrPort("127.0.0.1:0"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	_ = dead.Close()
	for range 3 {
		_ = a.Send(a.Local(), dead.Local(), []byte("anybody?"))
	}
	b, _ := listen(t, "127.0.0.1:0")
	if err := b.Send(b.Local(), a.Local(), []byte("here")); err != nil {
		t.Fatal(err)
	}
	if got := next(t, gotA); got.text != "here" {
		t.Errorf("%v", got)
	}
}

func TestRefusals(t *testing.T) {
	a, _ := listen(t, "127.0.0.1:0")
	for name, addr := range map[string]string{
		"taken":           a.Local().String(),
		"not ours":        "192.0.2.1:848",
		"not ours either": "[2001:db8::1]:848",
	} {
		if _, err := Listen(netip.MustParseAddrPort(addr), Options{}); !errors.Is(err, ErrAddress) {
			t.Errorf("%s: %v, want ErrAddress", name, err)
		}
	}
}

// TestMulticast goes over the loopback interface, where nobody routes: joined and left, with a socket of its own and on the
// one that is bound to everything, on the port of the daemon and on another, and with answers that swap the ports.
func TestMulticast(t *testing.T) {
	group := netip.MustParseAddr("239.255.84.8")
	for _, c := range []struct {
		name, listen string
		samePort     bool
	}{{"bound", "127.0.0.1:0", true}, {"bound, another port", "127.0.0.1:0", false}, {"wildcard", "0.0.0.0:0", true}, {"wildcard, another port", "0.0.0.0:0", false}} {
		t.Run(c.name, func(t *testing.T) {
			sender, answers := listen(t, "127.0.0.2:0")
			if err := sender.SetRoute(group, Route{TTL: 1, Interface: "lo"}); err != nil {
				t.Fatal(err)
			}
			member, got := listen(t, c.listen)
			to := netip.AddrPortFrom(group, member.Local().Port())
			if !c.samePort {
				to = netip.AddrPortFrom(group, member.Local().Port()^1)
			}
			for range 2 {
				if err := member.Join(to, "lo"); err != nil {
					t.Fatal(err)
				}
			}
			if err := sender.Send(sender.Local(), to, []byte("rekey")); err != nil {
				t.Fatal(err)
			}
			d := next(t, got)
			if d != (datagram{to, sender.Local(), "rekey"}) {
				t.Fatalf("got %+v", d)
			}
			self := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), to.Port())
			if err := member.Send(self, d.remote, []byte("ack")); err != nil {
				t.Fatal(err)
			}
			if d := next(t, answers); d.remote != self || d.text != "ack" {
				t.Errorf("the answer is %+v; want it from %v", d, self)
			}
			if err := member.Leave(to); err != nil {
				t.Fatal(err)
			}
			if err := sender.Send(sender.Local(), to, []byte("late")); err != nil {
				t.Fatal(err)
			}
			if err := sender.Send(sender.Local(), netip.AddrPortFrom(self.Addr(), member.Local().Port()), []byte("last")); err != nil {
				t.Fatal(err)
			}
			if d := next(t, got); d.text != "last" {
				t.Errorf("%q arrived after the group was left", d.text)
			}
		})
	}
}

// TestBurst: many more datagrams at once than the socket's buffer holds, and the sender drops none.
func TestBurst(t *testing.T) {
	const n = 3000
	a, _ := listen(t, "127.0.0.1:0")
	b, err := Listen(netip.MustParseAddrPort("127.0.0.2:0"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	arrived := make(chan int, 1)
	go func() {
		count := 0
		_ = b.Receive(func(_, _ netip.AddrPort, d []byte) {
			if count++; string(d) == "end" {
				arrived <- count
			}
		})
	}()
	defer func() { _ = b.Close() }()
	rekey := make([]byte, 400)
	for range n {
		if err := a.Send(a.Local(), b.Local(), rekey); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Send(a.Local(), b.Local(), []byte("end")); err != nil {
		t.Fatal(err)
	}
	select {
	case got := <-arrived:
		if got != n+1 {
			t.Errorf("%d of %d datagrams arrived", got, n+1)
		}
	case <-time.After(30 * time.Second):
		t.Error("the last datagram did not arrive")
	}
}
