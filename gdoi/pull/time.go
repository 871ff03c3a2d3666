package pull

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// TimeOffer is the time of a group: packets are stamped with it, and what arrives must be near it.
type TimeOffer struct {
	// Now is the pseudotime when the key server wrote the message, in whole microseconds.
	Now time.Duration
	// Series changes when the key server may have lost its time, so that Now may lie behind what was said before.
	Series uint32
	// Window is how far a stamp may be from it, in whole milliseconds; 0: nobody judges stamps any more.
	Window time.Duration
	// Demand lists TEKs that every sender stamps under.
	Demand []gdoi.SPI

	// At is when the member got it. By PULL, RoundTrip is the time since it asked for the first time, at most twice of what
	// Now may be wrong by; in a PUSH it is 0, and Now may be old: pushes are signed, paced and repeated.
	At        machine.Instant
	RoundTrip time.Duration
}

// timeHead is the fixed part of the attribute.
const timeHead = 4 + 4 + 8

// maxTimeWindow keeps stamps of milliseconds, modulo 2^32, far from ambiguous.
const maxTimeWindow = time.Hour

// attribute is GAPGetVPNTime.
func (t *TimeOffer) attribute() isakmp.Attribute {
	b := binary.BigEndian.AppendUint32(nil, uint32(t.Window.Milliseconds()))
	b = binary.BigEndian.AppendUint32(b, t.Series)
	b = binary.BigEndian.AppendUint64(b, uint64(t.Now.Microseconds()))
	for _, s := range t.Demand {
		b = binary.BigEndian.AppendUint32(b, uint32(s))
	}
	return isakmp.LongAttr(isakmp.GAPGetVPNTime, b)
}

func parseTime(b []byte) (*TimeOffer, error) {
	if len(b) < timeHead || len(b)%4 != 0 {
		return nil, malformed("%d octets of group time", len(b))
	}
	window, now := binary.BigEndian.Uint32(b), binary.BigEndian.Uint64(b[8:])
	t := &TimeOffer{Series: binary.BigEndian.Uint32(b[4:]), Window: time.Duration(window) * time.Millisecond}
	if t.Window > maxTimeWindow || now > uint64(maxPseudotime/time.Microsecond) {
		return nil, unsupported("a group time of %d us with a window of %d ms", now, window)
	}
	t.Now = time.Duration(now) * time.Microsecond
	for spi := range slices.Chunk(b[timeHead:], 4) {
		t.Demand = append(t.Demand, spiOf(spi))
	}
	return t, nil
}

// maxPseudotime leaves room for sums.
const maxPseudotime = time.Duration(1 << 62)
