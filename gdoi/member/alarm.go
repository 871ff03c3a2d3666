package member

import (
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// alarm is for signs that others have newer keys, which anybody can forge: traffic under an unknown SPI, a rekey under an
// unknown KEK. Each costs a registration, so they are heeded at most once in a pause, and a pause after which nothing new
// was learnt makes the next one twice as long, and up to a quarter longer: members that are lied to all at once shall not go
// on asking all at once.
type alarm struct {
	raised   bool
	at       machine.Instant // last heeded
	base     time.Duration   // doubles
	pause    time.Duration
	checking bool   // the registration that it caused has not been granted yet
	epoch    uint64 // what was held when it was raised
	kek      gdoi.KEKSPI
}

// maxAlarmPause bounds what a liar can do to genuine alarms; rekeys that are missed are noticed without them.
const maxAlarmPause = 10 * time.Minute

// heedAlarm says whether an alarm is worth a registration now, and notes it.
func (g *Group) heedAlarm(now machine.Now) bool {
	a := &g.alarm
	if a.raised && now.Mono.Sub(a.at) < max(a.pause, unknownSPIPause) {
		return false
	}
	a.raised, a.at, a.checking, a.epoch, a.kek = true, now.Mono, true, g.epoch, g.newestKEK()
	return true
}

// checkAlarm judges the last alarm by what a registration has brought.
func (g *Group) checkAlarm() {
	a := &g.alarm
	switch {
	case !a.checking:
	case a.epoch == g.epoch && a.kek == g.newestKEK():
		a.base = min(2*max(a.base, unknownSPIPause), maxAlarmPause)
		a.pause = a.base + g.jitter(a.base/4)
	default:
		a.base, a.pause = 0, 0
	}
	a.checking = false
}

func (g *Group) newestKEK() gdoi.KEKSPI {
	if n := len(g.keks); n > 0 {
		return g.keks[n-1].receiver.Key().SPI
	}
	return gdoi.KEKSPI{}
}
