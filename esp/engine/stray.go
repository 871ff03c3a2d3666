package engine

import (
	"encoding/binary"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/getvpn/getvpn/esp/packet"
	"github.com/getvpn/getvpn/esp/spd"
)

// Stray is an SPI that packets came under and that no SA has, with the groups whose policy has their addresses: who sends
// under it may have a key that this member lacks. Nothing of it is authentic.
type Stray struct {
	SPI    uint32
	Groups []string
}

// maxStrays is how many SPIs are kept until they are asked for: a rollover makes one or two; an attacker makes any number.
const maxStrays = 16

// minSPI: those below are reserved, RFC 4303 §2.1, so no key server gives them to anybody.
const minSPI = 256

// strays are kept for all workers together.
type strays struct {
	full atomic.Bool // spares packets at line rate the lock
	mu   sync.Mutex
	kept []stray
}

type stray struct {
	spi      uint32
	src, dst netip.Addr
}

// add keeps an SPI, unless others are being kept or there are enough.
func (s *strays) add(spi uint32, outer *packet.Header) {
	if spi < minSPI || s.full.Load() || !s.mu.TryLock() {
		return
	}
	defer s.mu.Unlock()
	for i := range s.kept {
		if s.kept[i].spi == spi {
			return
		}
	}
	if len(s.kept) < maxStrays {
		s.kept = append(s.kept, stray{spi, netipOf(outer.Src, outer.Version), netipOf(outer.Dst, outer.Version)})
	}
	s.full.Store(len(s.kept) == maxStrays)
}

// Strays returns the unknown SPIs since the last call, at most 16 of them, that a group's policy has the addresses of.
func (e *Engine) Strays() (out []Stray) {
	e.strays.mu.Lock()
	kept := e.strays.kept
	e.strays.kept = nil
	e.strays.full.Store(false)
	e.strays.mu.Unlock()
	if len(kept) == 0 {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, s := range kept {
		x := Stray{SPI: s.spi}
		for _, g := range e.groups {
			if mayProtect(g.Rules, s.src, s.dst) {
				x.Groups = append(x.Groups, g.Name)
			}
		}
		if len(x.Groups) > 0 {
			out = append(out, x)
		}
	}
	return out
}

// mayProtect says whether a packet between these addresses could be one that the rules permit; more than the addresses is
// not to be seen.
func mayProtect(rules []spd.Rule, src, dst netip.Addr) bool {
	for _, r := range rules {
		if r.Action == spd.Permit && (r.Src.Contains(src) && r.Dst.Contains(dst) || r.Src.Contains(dst) && r.Dst.Contains(src)) {
			return true
		}
	}
	return false
}

func netipOf(a packet.Addr, version uint8) netip.Addr {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], a.Hi)
	binary.BigEndian.PutUint64(b[8:], a.Lo)
	if version == 4 {
		return netip.AddrFrom4([4]byte(b[12:]))
	}
	return netip.AddrFrom16(b)
}
