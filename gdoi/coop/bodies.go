package coop

import (
	"encoding/binary"
	"time"
)

// The flags of a Status.
const (
	flagPrimary = 1 << iota
	flagReady
	flagEligible
	flagsAll = 1<<iota - 1
)

func (s *Status) encode(b []byte) []byte {
	var flags byte
	for _, f := range []struct {
		on  bool
		bit byte
	}{{s.Role == Primary, flagPrimary}, {s.Ready, flagReady}, {s.Eligible, flagEligible}} {
		if f.on {
			flags |= f.bit
		}
	}
	b = append(b, byte(s.From), flags, byte(s.Primary), byte(s.Sees))
	b = binary.BigEndian.AppendUint16(b, s.Priority)
	b = binary.BigEndian.AppendUint64(b, s.Term)
	b = appendVersion(b, s.Has)
	b = binary.BigEndian.AppendUint64(b, s.Epoch)
	b = binary.BigEndian.AppendUint32(b, s.Members)
	b = append(b, s.Digest[:]...)
	b = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, s.Ask), s.Answer)
	b = binary.BigEndian.AppendUint64(b, uint64(s.Time))
	return appendText(b, s.Software)
}

func (s *Status) decode(r *reader) {
	s.From = r.id(false)
	flags := r.u8()
	if flags&^flagsAll != 0 {
		r.fail("unknown flags")
	}
	if s.Ready, s.Eligible = flags&flagReady != 0, flags&flagEligible != 0; flags&flagPrimary != 0 {
		s.Role = Primary
	}
	s.Primary, s.Sees, s.Priority = r.id(true), peerSet(r.u8()), r.u16()
	s.Term, s.Has, s.Epoch, s.Members = r.term(), r.version(), r.u64(), r.u32()
	copy(s.Digest[:], r.take(len(s.Digest)))
	s.Ask, s.Answer = r.u32(), r.u32()
	if t := r.u64(); t > maxPseudotime {
		r.fail("time out of range")
	} else {
		s.Time = time.Duration(t)
	}
	s.Software = r.text(maxSoftware)
	if (s.Role == Primary) != (s.Primary == s.From) {
		r.fail("a primary that follows another one")
	}
}

func (k *Key) encode(b []byte) []byte { return appendKey(b, k.DER) }

func (k *Key) decode(r *reader) { k.DER = r.key() }

func (t *Transport) encode(b []byte) []byte { return appendKey(b, t.Key) }

func (t *Transport) decode(r *reader) { t.Key = r.key() }

func (p *Policy) encode(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(append(b, p.Digest[:]...), uint16(len(p.Lines)))
	for _, l := range p.Lines {
		b = appendText(b, l)
	}
	return b
}

func (p *Policy) decode(r *reader) {
	copy(p.Digest[:], r.take(len(p.Digest)))
	n := int(r.u16())
	if n > maxLines || n > len(r.b)/2 {
		r.fail("too many lines")
		return
	}
	for range n {
		p.Lines = append(p.Lines, r.text(1<<16-1))
	}
}

func (j *Join) encode(b []byte) []byte {
	return appendRecords(appendVersion(binary.BigEndian.AppendUint64(b, j.Term), j.Have), j.Records)
}

func (j *Join) decode(r *reader) { j.Term, j.Have, j.Records = r.term(), r.version(), r.records() }

func (s *State) encode(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, s.Term)
	b = binary.BigEndian.AppendUint64(b, s.From)
	b = binary.BigEndian.AppendUint64(b, s.To)
	full := byte(0)
	if s.Full {
		full = 1
	}
	return appendRecords(append(b, full), s.Records)
}

func (s *State) decode(r *reader) {
	s.Term, s.From, s.To = r.term(), r.u64(), r.u64()
	full := r.u8()
	if full > 1 || s.To < s.From {
		r.fail("neither all nor a part")
	}
	s.Full, s.Records = full == 1, r.records()
}

func (h *Have) encode(b []byte) []byte { return appendVersion(b, h.Version) }

func (h *Have) decode(r *reader) { h.Version = r.version() }

func (p *Report) encode(b []byte) []byte {
	return appendRecords(appendVersion(b, Version{p.Term, p.N}), p.Records)
}

func (p *Report) decode(r *reader) { p.Term, p.N, p.Records = r.term(), r.u64(), r.records() }

func (p *Reported) encode(b []byte) []byte { return appendVersion(b, Version{p.Term, p.N}) }

func (p *Reported) decode(r *reader) { p.Term, p.N = r.term(), r.u64() }

func (p *Rejoin) encode(b []byte) []byte { return binary.BigEndian.AppendUint64(b, p.Term) }

func (p *Rejoin) decode(r *reader) { p.Term = r.term() }

func (p *Broken) encode(b []byte) []byte {
	return appendText(binary.BigEndian.AppendUint64(b, p.Term), printable(p.Why, maxWhy))
}

func (p *Broken) decode(r *reader) { p.Term, p.Why = r.term(), r.text(maxWhy) }

func (p *Handover) encode(b []byte) []byte { return binary.BigEndian.AppendUint64(b, p.Term) }

func (p *Handover) decode(r *reader) { p.Term = r.term() }
