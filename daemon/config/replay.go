package config

import (
	"fmt"
	"time"

	"github.com/getvpn/getvpn/gdoi/keyserver"
)

// AntiReplay is the time window of a group, beside the windows of sequence numbers that members always have.
type AntiReplay struct {
	Time time.Duration // 0: off
	Drop bool          // what has no time stamp
}

// shortWindow is from when on a window is wide enough for what rekeys and networks delay.
const shortWindow = 4 * time.Second

func (d *decoder) antiReplay(v *value, a *AntiReplay) {
	unstamped := "accept"
	var timeAt *value
	d.object(v,
		opt("time", func(v *value) {
			timeAt = v
			if v.text == "off" {
				a.Time = 0
				return
			}
			d.duration(&a.Time, keyserver.MinTimeWindow, keyserver.MaxTimeWindow)(v)
			if a.Time%time.Millisecond != 0 {
				d.fail(v, "%s: the window travels in whole milliseconds", v.text)
			}
		}),
		opt("unstamped", d.oneOf(&unstamped, "accept", "drop")))
	if v.kind != mapping {
		return
	}
	a.Drop = unstamped == "drop"
	switch {
	case a.Drop && a.Time == 0:
		d.fail(v, "unstamped: drop takes a window: time: 10s")
	case a.Drop:
		d.hints = append(d.hints, fmt.Sprintf("%s:%d:%d: unstamped: drop cuts off members of other makes, which do not stamp their packets", d.file, v.line, v.col))
	}
	if a.Time > 0 && a.Time < shortWindow {
		d.warn(timeAt, "a window of %s leaves %s for the delay of a rekey, the drift between rekeys, and the network; use %s or more", short(a.Time), short(a.Time/4), short(shortWindow))
	}
}

// checkTime looks at the window beside the rest of its group.
func (d *decoder) checkTime(v *value, g *KSGroup) {
	if g.AntiReplay.Time == 0 {
		return
	}
	if g.Rekey.Transport == "unicast" && g.Rekey.Acknowledge == "off" {
		d.warn(v, "anti-replay time with rekey.acknowledge off: a member that misses a rekey is not sent it again, and its clock is not corrected")
	}
	if g.Rekey.Retransmit < g.AntiReplay.Time/4 && g.Rekey.Retransmits > 0 && g.Rekey.Acknowledge == "off" {
		d.warn(v, "repeats every %s without acknowledgement are taken for rekeys in time: clocks may be wrong by that", short(g.Rekey.Retransmit))
	}
}

// String is the flow mapping of the file.
func (a AntiReplay) String() string {
	if a.Time == 0 {
		return "{time: off}"
	}
	unstamped := "accept"
	if a.Drop {
		unstamped = "drop"
	}
	return fmt.Sprintf("{time: %s, unstamped: %s}", short(a.Time), unstamped)
}
