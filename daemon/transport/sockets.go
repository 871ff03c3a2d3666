package transport

import (
	"errors"
	"fmt"
	"net/netip"
)

// Sockets are those of a daemon: one, or one of each address family. Their methods are those of a Conn.
type Sockets []*Conn

// Open binds all addresses, or none. There is at most one of each family.
func Open(addrs []netip.AddrPort, opts Options) (Sockets, error) {
	var s Sockets
	for _, a := range addrs {
		c, err := Listen(a, opts)
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
		s = append(s, c)
	}
	return s, nil
}

// of is the socket of the family of a.
func (s Sockets) of(a netip.Addr) (*Conn, error) {
	for _, c := range s {
		if c.local.Addr().Is4() == a.Unmap().Is4() {
			return c, nil
		}
	}
	return nil, fmt.Errorf("%w: no socket of the address family of %s", ErrAddress, a)
}

// Local is the bound addresses.
func (s Sockets) Local() []netip.AddrPort {
	var out []netip.AddrPort
	for _, c := range s {
		out = append(out, c.local)
	}
	return out
}

// Send transmits b from the socket of the family of remote.
func (s Sockets) Send(local, remote netip.AddrPort, b []byte) error {
	c, err := s.of(remote.Addr())
	if err != nil {
		return err
	}
	return c.Send(local, remote, b)
}

// Receive, which is called once, calls deliver for every datagram of every socket, from several goroutines. It returns when
// all sockets are closed, or when one has failed, after closing the others.
func (s Sockets) Receive(deliver func(local, remote netip.AddrPort, b []byte)) error {
	ended := make(chan error, len(s))
	for _, c := range s {
		go func() { ended <- c.Receive(deliver) }()
	}
	var all error
	for range s {
		if err := <-ended; err != nil {
			all = errors.Join(all, err, s.Close())
		}
	}
	return all
}

// Close ends Receive, and all memberships of multicast groups.
func (s Sockets) Close() error {
	var all error
	for _, c := range s {
		all = errors.Join(all, c.Close())
	}
	return all
}

// SetRoute says how datagrams to a multicast group leave.
func (s Sockets) SetRoute(group netip.Addr, r Route) error {
	c, err := s.of(group)
	if err != nil {
		return err
	}
	return c.SetRoute(group, r)
}

// Join receives what is sent to a multicast group and arrives on an interface.
func (s Sockets) Join(group netip.AddrPort, iface string) error {
	c, err := s.of(group.Addr())
	if err != nil {
		return err
	}
	return c.Join(group, iface)
}

// Leave ends Join.
func (s Sockets) Leave(group netip.AddrPort) error {
	c, err := s.of(group.Addr())
	if err != nil {
		return err
	}
	return c.Leave(group)
}
