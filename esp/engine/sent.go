package engine

import (
	"encoding/binary"
	"sync"

	"github.com/getvpn/getvpn/esp/packet"
)

// What is remembered of what was sent, for the ICMP errors that come back: a router need not quote more of an ESP packet
// than its SPI and sequence number, and what it quotes is not authenticated, so hosts get our own memory of their packet.
// Everything is remembered for as long as sentRecent packets take; what has few hops to go, as the packets of traceroute
// have, for sentProbes such packets, however much else is sent meanwhile.
const (
	sentRecent = 4096 // a power of two
	sentProbes = 256
	probeTTL   = 32
	// memoLen makes a memo a cache line: the headers of IPv6 and of a fragment, and the eight octets behind them without which
	// a host does not know its packet again.
	memoLen = 56
)

// memo is the beginning of a packet, by the numbers that it was sealed with.
type memo struct {
	spi, seq uint32
	head     [memoLen]byte
}

// sent is one worker's memory. The lock is held by the worker for the length of a batch.
type sent struct {
	mu     sync.Mutex
	recent []memo // by the low bits of the sequence number; made with the first packet
	probes []memo
	next   int // of probes
}

// put remembers a packet that is about to be sealed.
func (s *sent) put(spi, seq uint32, ttl uint8, b []byte) {
	if s.recent == nil {
		s.recent, s.probes = make([]memo, sentRecent), make([]memo, sentProbes)
	}
	s.recent[seq%sentRecent].set(spi, seq, b)
	if ttl < probeTTL {
		s.probes[s.next].set(spi, seq, b)
		s.next = (s.next + 1) % sentProbes
	}
}

func (m *memo) set(spi, seq uint32, b []byte) {
	m.spi, m.seq = spi, seq
	if len(b) >= memoLen {
		m.head = [memoLen]byte(b)
		return
	}
	copy(m.head[:], b)
}

// bytes is what is there of the packet, whose length its header tells.
func (m *memo) bytes() []byte {
	length := int(binary.BigEndian.Uint16(m.head[2:]))
	if packet.Version(m.head[:]) == 6 {
		length = packet.IPv6HeaderLen + int(binary.BigEndian.Uint16(m.head[4:]))
	}
	return m.head[:min(length, memoLen)]
}

// get appends the beginning of a packet of that source and destination to b.
func (s *sent) get(b []byte, e *packet.ICMPError) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.recent == nil {
		return b
	}
	if m := &s.recent[e.Seq%sentRecent]; m.is(e) {
		return append(b, m.bytes()...)
	}
	for i := range s.probes {
		if m := &s.probes[i]; m.is(e) {
			return append(b, m.bytes()...)
		}
	}
	return b
}

func (m *memo) is(e *packet.ICMPError) bool {
	if m.spi != e.SPI || m.seq != e.Seq || m.seq == 0 { // which is never sent
		return false
	}
	src, dst, version, ok := packet.Addresses(m.head[:])
	return ok && version == e.Version && src == e.Dst && dst == e.To
}
