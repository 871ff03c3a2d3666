package ike1

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// dpd is dead peer detection (RFC 3706). Silence of DPDInterval makes us ask. Only what has a
// number proves life: an Informational message older than what the session remembers could be a replay.
type dpd struct {
	on       bool
	at       machine.Instant // next question, or next repetition
	asking   bool
	seq      uint32 // of our R-U-THERE, while asking; otherwise of the next
	first    uint32 // of ours
	repeat   retransmission
	peerSeq  uint32 // highest that the peer asked with
	peerAsks bool
}

// start is called when the session is established.
func (d *dpd) start(s *Session, now machine.Now) {
	d.on = s.cfg.DPDInterval > 0 && s.PeerVendor(isakmp.VendorIDDPD)
	// The high bit is clear, so that the number does not overflow (§6.2).
	d.first = s.env.Uint32() >> 1
	d.seq = d.first
	d.at = now.Mono.Add(s.cfg.DPDInterval)
}

// Alive tells that an authenticated message of the peer arrived in an exchange that the session does not see, such
// as GROUPKEY-PULL: no need to ask.
func (s *Session) Alive(now machine.Now) {
	if s.dpd.asking {
		s.dpd.asking = false
		s.dpd.seq++
	}
	s.dpd.at = now.Mono.Add(s.cfg.DPDInterval)
}

// dpdTimeout asks, or repeats the question, or gives up.
func (s *Session) dpdTimeout(now machine.Now, out machine.Effects) (machine.Effects, error) {
	d := &s.dpd
	switch {
	case !d.asking:
		d.asking = true
		d.repeat.start(now.Mono, s.cfg.retransmitBase())
	case !d.repeat.due(now.Mono):
		return out, s.die(ReasonDPD, fmt.Errorf("%s did not answer %d R-U-THERE; it restarted, or the path is broken", s.remote, Transmissions))
	}
	d.at = d.repeat.at
	// A repetition has the same number but a fresh message id: Informational messages are never sent twice.
	return s.Informational(out, s.dpdNotify(isakmp.RUThere, d.seq)), nil
}

// dpdNotify is the message of §5.3.
func (s *Session) dpdNotify(t isakmp.NotifyType, seq uint32) isakmp.Notify {
	return isakmp.Notify{DOI: isakmp.DOIIPsec, Protocol: isakmp.ProtoISAKMP, SPI: s.spi(), MsgType: t, Data: beUint32(seq)}
}

func (s *Session) dpdSequence(n *isakmp.Notify) (uint32, error) {
	if len(n.Data) != 4 || !bytes.Equal(n.SPI, s.spi()) {
		return 0, ignored(ReasonMalformed, "%s is not about this SA or has no sequence number", n.MsgType)
	}
	return binary.BigEndian.Uint32(n.Data), nil
}

// answerRUThere answers a number that has not gone back; the same again is a repetition.
func (s *Session) answerRUThere(now machine.Now, n *isakmp.Notify, out machine.Effects) (machine.Effects, error) {
	seq, err := s.dpdSequence(n)
	if err != nil {
		return out, err
	}
	if s.dpd.first <= seq && seq <= s.dpd.seq {
		// One of our own numbers: perhaps our question of long ago, reflected, whose message id is forgotten. An answer
		// does no harm, whereas taking the number would make the peer's real questions look old.
		return s.Informational(out, s.dpdNotify(isakmp.RUThereAck, seq)), nil
	}
	if s.dpd.peerAsks && seq < s.dpd.peerSeq {
		return out, ignored(ReasonReplay, "R-U-THERE %d after %d", seq, s.dpd.peerSeq)
	}
	if !s.dpd.peerAsks || seq > s.dpd.peerSeq {
		s.Alive(now)
	}
	s.dpd.peerAsks, s.dpd.peerSeq = true, seq
	return s.Informational(out, s.dpdNotify(isakmp.RUThereAck, seq)), nil
}

// takeRUThereAck wants the number that we asked with; an earlier one is an answer that came late.
func (s *Session) takeRUThereAck(now machine.Now, n *isakmp.Notify) error {
	seq, err := s.dpdSequence(n)
	switch {
	case err != nil:
		return err
	case s.dpd.asking && seq == s.dpd.seq:
		s.Alive(now)
	case seq >= s.dpd.seq:
		return ignored(ReasonReplay, "R-U-THERE-ACK %d, which was not asked", seq)
	}
	return nil
}
