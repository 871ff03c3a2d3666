package member

import (
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
)

// TestFalseAlarmsGrowRare: forged packets under unknown SPIs, one every ten seconds for a day, cause a registration every
// ten minutes or a little more in the end; a genuine alarm in between is heeded, and those after it as quickly as the first.
func TestFalseAlarmsGrowRare(t *testing.T) {
	b := newBench(t, Config{})
	b.grant(offer(0, []gdoi.SID{1}, 0x1001))
	spi, asked, sid := gdoi.SPI(0xf0000000), 0, gdoi.SID(1)
	forge := func(d time.Duration) (registrations int) {
		for end := b.now.Mono.Add(d); b.now.Mono < end; {
			spi++
			b.out = b.g.Report(b.now, gdoi.DataPlaneReport{Group: "blue", SPI: spi, Kind: gdoi.UnknownSPI}, b.out[:0])
			b.run(10 * time.Second)
			if len(b.d.asked) > asked {
				asked = len(b.d.asked)
				registrations++
				sid++
				b.g.endExchange()
				o := offer(0, []gdoi.SID{sid}, 0x1001)
				o.TEKs[0].Lifetime = uint32((48 * time.Hour).Seconds())
				b.grant(o)
			}
		}
		return registrations
	}
	b.g.teks[0].lasts = b.now.Mono.Add(48 * time.Hour)
	b.g.teks[0].expires = b.g.teks[0].lasts
	b.g.schedule(b.now)
	if n := forge(24 * time.Hour); n < 115 || n > 150 {
		t.Errorf("%d registrations in a day of forgeries; want about one every ten minutes", n)
	}
	b.run(maxAlarmPause * 5 / 4)
	b.out = b.g.Report(b.now, gdoi.DataPlaneReport{Group: "blue", SPI: 0x1002, Kind: gdoi.UnknownSPI}, b.out[:0])
	b.run(10 * time.Second)
	if len(b.d.asked) != asked+1 {
		t.Fatal("the genuine alarm was not heeded")
	}
	asked++
	b.g.endExchange()
	b.grant(offer(0, []gdoi.SID{999}, 0x1001, 0x1002))
	if b.g.alarm.pause != 0 {
		t.Errorf("after news the pause is %v", b.g.alarm.pause)
	}
	if _, late := b.g.Deadline(); !late {
		t.Error("nothing is due")
	}
}
