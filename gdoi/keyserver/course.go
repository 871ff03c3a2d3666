package keyserver

import "github.com/getvpn/getvpn/gdoi/machine"

// course is how a rekey went, for operators: when its first datagram left, when the last one did or the last member that was
// asked answered for the first time, and how many datagrams were repeats.
type course struct {
	begun, until machine.Instant
	repeats      uint64
}

// keptSeqs is how many sequence numbers of a member are kept for operators.
const keptSeqs = 4

// seqs are the last sequence numbers, newest first; 0: none. The first PUSH under a KEK is number 1.
type seqs [keptSeqs]uint32

// add notes a number, unless it is the last one again.
func (s *seqs) add(seq uint32) {
	if s[0] == seq {
		return
	}
	copy(s[1:], s[:])
	s[0] = seq
}
