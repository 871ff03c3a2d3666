package node

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/getvpn/getvpn/gdoi/ike1"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// cookieJar lets a key server answer first messages of Main Mode and keep nothing of them, while there are too many
// negotiations. The responder cookie is then a MAC over the initiator cookie, its source and the message (the idea of RFC
// 2408 §2.5.3), so that message 3 proves that somebody at that source has read message 2.
//
// The session needs message 1 (HASH_I is over its SA payload), and message 3 does not repeat it. But members say the same
// in it: the octets after the cookies, here called the shape, are those of their configuration. So the jar keeps shapes
// instead of negotiations, and the cookie names one. Shapes that have led to an established session, and the one of the
// key server's own phase-1 configuration, stay; a few places are for others, the least recently used of which gives way. A
// flood of any kind and size thus keeps no member out that speaks as the key server or any member before it did.
type cookieJar struct {
	env    *machine.Env
	secret []byte // drawn when first needed
	shapes [jarShapes]shape
	clock  uint64          // counts uses
	until  machine.Instant // the last cookie is good until then
}

// shape is what all first messages of one configuration have in common.
type shape struct {
	octets []byte
	digest [sha256.Size]byte
	proven bool // somebody has authenticated with it
	used   uint64
}

// Sizes of the jar; not configurable.
const (
	jarShapes = 64
	jarOpen   = 16   // of them, for shapes that have not proved themselves
	maxShape  = 2048 // octets; a longer first message takes a place among the negotiations
	// cookieEpoch is how often the MAC changes; cookies of the epoch before are good too.
	cookieEpoch = time.Minute
)

func newCookieJar(env *machine.Env, cfg *ike1.Config) cookieJar {
	j := cookieJar{env: env}
	j.prove(shapeOf(ike1.FirstMessage(cfg, isakmp.Cookie{1})))
	return j
}

const cookiesLen = 2 * len(isakmp.Cookie{})

// shapeOf copies the shape of a first message; nil for one that is too long.
func shapeOf(first []byte) []byte {
	if len(first) > maxShape {
		return nil
	}
	return bytes.Clone(first[cookiesLen:])
}

// find returns the slot of a shape, -1 for none.
func (j *cookieJar) find(digest *[sha256.Size]byte) int {
	for i := range j.shapes {
		if j.shapes[i].digest == *digest && j.shapes[i].octets != nil {
			return i
		}
	}
	return -1
}

// put keeps a shape in the least recently used of the slots from..to, which have the same rank.
func (j *cookieJar) put(octets []byte, digest [sha256.Size]byte, from, to int, proven bool) int {
	at := from
	for i := from; i < to; i++ {
		if j.shapes[i].used < j.shapes[at].used {
			at = i
		}
	}
	j.shapes[at] = shape{octets: octets, digest: digest, proven: proven}
	return at
}

// use marks a slot as used just now.
func (j *cookieJar) use(slot int) {
	j.clock++
	j.shapes[slot].used = j.clock
}

// prove keeps the shape of a session that was established. The first slot is the key server's own, for good.
func (j *cookieJar) prove(octets []byte) {
	if octets == nil {
		return
	}
	digest := sha256.Sum256(octets)
	slot := j.find(&digest)
	switch {
	case j.clock == 0:
		slot = j.put(octets, digest, 0, 1, true)
	case slot < 0 || !j.shapes[slot].proven:
		if slot >= 0 {
			j.shapes[slot] = shape{}
		}
		slot = j.put(octets, digest, 1, jarShapes-jarOpen, true)
	}
	j.use(slot)
}

// cookie is the responder cookie for a first message that nothing is kept of; false when it is too long for that.
func (j *cookieJar) cookie(now machine.Now, remote netip.AddrPort, first []byte) (isakmp.Cookie, bool) {
	if len(first) > maxShape {
		return isakmp.Cookie{}, false
	}
	digest := sha256.Sum256(first[cookiesLen:])
	slot := j.find(&digest)
	if slot < 0 {
		slot = j.put(shapeOf(first), digest, jarShapes-jarOpen, jarShapes, false)
	}
	j.use(slot)
	if j.secret == nil {
		j.secret = j.env.Bytes(sha256.Size)
	}
	j.until = now.Mono.Add(2 * cookieEpoch)
	return j.mac(epochOf(now), slot, isakmp.Cookie(first), remote), true
}

// first rebuilds the first message that a message with the cookies of h answers; nil when it was not one of ours, to this
// source, or too long ago.
func (j *cookieJar) first(now machine.Now, h isakmp.Header, remote netip.AddrPort) []byte {
	slot := int(h.ResponderCookie[0]) - 1
	if j.secret == nil || now.Mono >= j.until || h.Flags != 0 || slot < 0 || slot >= jarShapes || j.shapes[slot].octets == nil {
		return nil
	}
	for _, epoch := range []uint64{epochOf(now), epochOf(now) - 1} {
		if c := j.mac(epoch, slot, h.InitiatorCookie, remote); hmac.Equal(c[:], h.ResponderCookie[:]) {
			j.use(slot)
			return append(append(append([]byte(nil), h.InitiatorCookie[:]...), make([]byte, len(h.ResponderCookie))...), j.shapes[slot].octets...)
		}
	}
	return nil
}

func epochOf(now machine.Now) uint64 { return uint64(now.Mono) / uint64(cookieEpoch) }

// mac is a responder cookie: the slot, counted from one so that no cookie is zero, and 56 bits of MAC.
func (j *cookieJar) mac(epoch uint64, slot int, initiator isakmp.Cookie, remote netip.AddrPort) (c isakmp.Cookie) {
	m := hmac.New(sha256.New, j.secret)
	var fixed [8 + 16 + 2]byte
	binary.BigEndian.PutUint64(fixed[:], epoch)
	addr := remote.Addr().As16()
	copy(fixed[8:], addr[:])
	binary.BigEndian.PutUint16(fixed[24:], remote.Port())
	m.Write(fixed[:])
	m.Write(initiator[:])
	m.Write(j.shapes[slot].digest[:])
	c[0] = byte(slot + 1)
	copy(c[1:], m.Sum(nil))
	return c
}
