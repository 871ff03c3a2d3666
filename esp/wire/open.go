package wire

import (
	"errors"
	"fmt"
	"sync"
)

// DefaultSocketBuffer is what the kernel may queue for us, in octets: about 50 ms at 1 Gbit/s.
const DefaultSocketBuffer = 8 << 20

// Mode is a way to the WAN.
type Mode string

// Modes, the fastest first.
const (
	Auto   Mode = "auto"   // the fastest that this system has
	XDP    Mode = "xdp"    // AF_XDP
	Packet Mode = "packet" // AF_PACKET
	Raw    Mode = "raw"    // raw sockets
)

// Config says what to open.
type Config struct {
	// Device is the WAN's interface. Raw sockets receive from it alone, so that ESP from a LAN is not mistaken for the
	// group's; sending is the main table's choice. Empty, for raw sockets only: any interface.
	Device string
	// Mark is the SO_MARK of what is sent; netcfg has a rule for it. Zero: no mark.
	Mark uint32
	// Mode is Auto if empty. Any other is opened or refused, nothing else is tried.
	Mode Mode
	// Queues is how many Conns are wanted, 0 for one.
	Queues int
	// SocketBuffer overrides DefaultSocketBuffer.
	SocketBuffer int
}

// Link is an open WAN. Each Conn is for one goroutine that sends and one that receives; the first also receives what
// the kernel had to put together first. Closing every Conn closes the link.
type Link struct {
	Conns []Conn
	Mode  Mode
	Name  string // for people, such as "AF_XDP (native, copy)"
	// Refused says for each faster mode why it was not possible.
	Refused []string
}

// Close closes every Conn.
func (l *Link) Close() error {
	var err error
	for _, c := range l.Conns {
		err = errors.Join(err, c.Close())
	}
	return err
}

// ErrReopen is wrapped by errors of ReadBatch and WriteBatch after which a new Open helps, at once or when the interface is
// there again.
var ErrReopen = errors.New("open the WAN again")

// Open opens the WAN. It needs CAP_NET_RAW and CAP_NET_ADMIN; XDP needs CAP_BPF of the initial user namespace too.
func Open(cfg Config) (*Link, error) {
	if cfg.SocketBuffer == 0 {
		cfg.SocketBuffer = DefaultSocketBuffer
	}
	cfg.Queues = max(cfg.Queues, 1)
	ladder := []struct {
		mode Mode
		open func(Config) (*Link, error)
	}{{XDP, openXDP}, {Packet, openPacket}, {Raw, openRaw}}
	if cfg.Mode == "" {
		cfg.Mode = Auto
	}
	var refused []string
	for _, step := range ladder {
		if cfg.Mode != Auto && cfg.Mode != step.mode {
			continue
		}
		l, err := step.open(cfg)
		if err == nil {
			l.Mode, l.Refused = step.mode, refused
			return l, nil
		}
		if cfg.Mode != Auto || step.mode == Raw {
			return nil, err
		}
		refused = append(refused, err.Error())
	}
	return nil, fmt.Errorf("wire: unknown mode: %q is none of auto, xdp, packet, raw", cfg.Mode)
}

func openRaw(cfg Config) (*Link, error) {
	s := &shared{cfg: cfg}
	if cfg.Device != "" {
		var err error
		if s.hops, err = newHops(cfg, maxPacket); err != nil {
			return nil, err
		}
		s.release = append(s.release, s.hops.close)
	}
	return s.link("raw sockets", func(*conn, int) error { return nil })
}

// shared is what the Conns of a link have in common; the last to close releases it.
type shared struct {
	cfg     Config
	hops    *hops // nil: no device to watch
	release []func() error

	mu   sync.Mutex
	open int
}

func (s *shared) done() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open--; s.open > 0 {
		return nil
	}
	return s.releaseAll()
}

func (s *shared) releaseAll() error {
	var err error
	for i := len(s.release) - 1; i >= 0; i-- {
		err = errors.Join(err, s.release[i]())
	}
	return err
}

// link makes the Conns; equip adds what a mode has besides raw sockets.
func (s *shared) link(name string, equip func(c *conn, i int) error) (*Link, error) {
	l := &Link{Name: name}
	for i := range s.cfg.Queues {
		c, err := newConn(s, i == 0)
		if err == nil {
			if err = equip(c, i); err != nil {
				_ = c.shut()
			}
		}
		if err != nil {
			for _, o := range l.Conns {
				_ = o.(*conn).shut()
			}
			return nil, errors.Join(err, s.releaseAll())
		}
		l.Conns = append(l.Conns, c)
	}
	s.open = len(l.Conns)
	if s.hops != nil {
		s.hops.start(func() {
			for _, c := range l.Conns {
				c.(*conn).fail()
			}
		})
	}
	return l, nil
}
