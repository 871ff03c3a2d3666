package member

import (
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/pull"
)

// Keys of two sides of a partition: b1 and b2 of the one that gives way, a1 and a2 of the one that stays.
const (
	b1, b2 = 0x1b01, 0x1b02
	a1, a2 = 0x1a01, 0x1a02
)

// mergeOffer is what the primary that stays says to everybody: the other side's keys first, which end in 4A, then its own.
func mergeOffer(spis ...gdoi.SPI) *pull.Offer {
	o := offer(2*a, nil, spis...)
	for i := range o.TEKs {
		o.TEKs[i].Lifetime = 120
		if o.TEKs[i].SPI&0xff00 == 0x1a00 {
			o.TEKs[i].Lifetime = 3600
		}
	}
	return o
}

// side is a member that holds keys of one side, as after some time of a partition.
func side(t *testing.T, kek byte, spis ...gdoi.SPI) *bench {
	t.Helper()
	b := newBench(t, Config{})
	o := mergeOffer(spis...)
	o.ATD, o.SIDs = 0, []gdoi.SID{1}
	for i := range o.TEKs {
		o.TEKs[i].Lifetime = 3600
	}
	b.grant(keyed(o, kek, 0, 1))
	b.take()
	return b
}

// TestMergeAtTheSideThatGivesWay: it sends with its own key until everybody has the other one, and never loses a key that
// somebody still sends with.
func TestMergeAtTheSideThatGivesWay(t *testing.T) {
	b := side(t, 0xb, b1)
	b.push(keyed(mergeOffer(b1, a1), 0xa, 1, 0))
	b.want("the merge", "install 1a01; ")
	b.push(keyed(mergeOffer(b1, a1), 0xa, 1, 0))
	b.want("the merge, told again under another number", "")
	if b.g.kek(gdoi.KEKSPI{0xa}) == nil || b.g.kek(gdoi.KEKSPI{0xb}) == nil {
		t.Fatal("it does not have both KEKs")
	}
	b.run(2*a - time.Second)
	b.want("before the change", "")
	b.run(time.Second)
	b.want("the change", "send 1a01; ")
	b.run(2*a - time.Second)
	b.want("while others may still send with the old key", "")
	b.run(time.Second)
	b.want("one epoch", "retire 1b01; ")
	if b.g.kek(gdoi.KEKSPI{0xb}) != nil {
		t.Error("the KEK of the side that gave way is still there")
	}
	b.run(20 * time.Minute)
	b.want("afterwards", "")
}

// TestMergeAtTheSideThatStays: it only learns to read the other side.
func TestMergeAtTheSideThatStays(t *testing.T) {
	b := side(t, 0xa, a1)
	b.push(mergeOffer(b1, a1))
	b.want("the merge", "install 1b01; ")
	b.run(4*a - time.Second)
	b.want("meanwhile", "")
	b.run(time.Second)
	b.want("one epoch", "retire 1b01; ")
	b.run(20 * time.Minute)
	b.want("afterwards", "")
}

// TestMergeDuringARollover of the side that stays, and of the one that gives way: several keys of each.
func TestMergeDuringARollover(t *testing.T) {
	stays := side(t, 0xa, a1)
	stays.push(mergeOffer(a1, a2)) // sent with in 2A
	stays.run(a)
	stays.take()
	stays.push(mergeOffer(b1, b2, a1, a2)) // the delay counts from here for those who did not have it
	stays.want("stays: the merge", "install 1b01; install 1b02; ")
	stays.run(a)
	stays.want("stays: the rollover goes on", "send 1a02; ")
	stays.run(3 * a)
	stays.want("stays: one epoch", "retire 1b01; retire 1b02; ")

	gives := side(t, 0xb, b1)
	rollover := mergeOffer(b1, b2)
	rollover.TEKs[1].Lifetime = 3600
	gives.push(rollover)
	gives.run(a)
	gives.take()
	gives.push(keyed(mergeOffer(b1, b2, a1, a2), 0xa, 1, 0))
	gives.want("gives way: the merge", "install 1a01; install 1a02; ")
	gives.run(a)
	gives.want("gives way: its own rollover goes on", "send 1b02; ")
	gives.run(a)
	gives.want("gives way: the change, to the newest at once", "send 1a02; ")
	// Its rollover, a while ahead of the merge, ends the first key as it was told to.
	gives.run(a)
	gives.want("gives way: its own old key", "retire 1b01; ")
	gives.run(a)
	gives.want("gives way: one epoch", "retire 1b02; ")
}

// TestMergeIsMissed: the message of the merge was lost; the member hears of it by the next rekey that it cannot read, or by
// traffic, and registers: it has both sides' keys then, and sends what all can read.
func TestMergeIsMissed(t *testing.T) {
	b := side(t, 0xb, b1)
	b.out = b.g.Report(b.now, gdoi.DataPlaneReport{Group: "blue", SPI: a1, Kind: gdoi.UnknownSPI}, b.out)
	if at, on := b.g.attempt.Deadline(); !on || at.Sub(b.now.Mono) > 2*time.Second {
		t.Fatal("traffic under an unknown key does not make it register")
	}
	b.run(a)
	o := mergeOffer(b1, a1)
	o.ATD, o.SIDs = a, []gdoi.SID{2}
	b.grant(keyed(o, 0xa, 1, 0))
	b.want("registration", "install 1b01 to send; install 1a01; ")
	b.run(a)
	b.want("the change", "send 1a01; ")
	b.run(3 * a)
	b.want("one epoch", "retire 1b01; ")
}

// TestMergeOfThreeSides, one after the other, before the first has ended.
func TestMergeOfThreeSides(t *testing.T) {
	const c1 = 0x1c01
	b := side(t, 0xc, c1)
	b.push(keyed(mergeOffer(c1, b1), 0xb, 1, 0)) // C joins B
	b.want("C and B", "install 1b01; ")
	b.run(a)
	b.push(keyed(mergeOffer(c1, b1, a1), 0xa, 1, 0)) // both join A
	b.want("and A", "install 1a01; ")
	b.run(a)
	b.want("the first change", "send 1b01; ")
	b.run(a)
	b.want("the second change", "send 1a01; ")
	b.run(a - time.Second)
	b.want("meanwhile", "")
	b.run(a + time.Second)
	b.want("one epoch", "retire 1c01; retire 1b01; ")
}

// TestTwoPrimariesSpeak: a member that both sides reach. The later number wins under one KEK (push.Receiver); keys of the
// other one are kept until they end, so all is readable that comes.
func TestTwoPrimariesSpeak(t *testing.T) {
	b := side(t, 0xa, a1)
	b.push(mergeOffer(a1, a2))
	b.push(mergeOffer(a1, b2))
	b.want("rekeys of both", "install 1a02; install 1b02; ")
	b.run(2 * a)
	b.want("activation", "send 1b02; ")
	b.run(2*a - time.Second)
	b.want("while both may be sent with", "")
	if n := len(b.g.Snapshot(machine.Now{Mono: b.now.Mono, Wall: b.now.Wall}).TEKs); n != 3 {
		t.Errorf("%d keys; want 3", n)
	}
}

// TestTwoPrimariesSpeakAndMerge: the key of the side that stays comes into force when that side has said, however soon the
// other one's does.
func TestTwoPrimariesSpeakAndMerge(t *testing.T) {
	b := side(t, 0xa, a1)
	b.push(mergeOffer(a1, a2))
	o := mergeOffer(a1, b2)
	o.ATD = a
	b.push(o)
	b.push(mergeOffer(a1, b2, a2))
	b.want("rekeys of both", "install 1a02; install 1b02; ")
	b.run(2*a - time.Second)
	b.want("the sooner one", "send 1b02; ")
	b.run(time.Second)
	b.want("the one that stays", "send 1a02; ")
}

// TestAnotherKeyBeforeTheFirst: a member that sends with its only key before the time of that, since there is no other, goes
// on until the time of the next.
func TestAnotherKeyBeforeTheFirst(t *testing.T) {
	b := newBench(t, Config{})
	o := keyed(mergeOffer(a1), 0xa, 1, 0)
	o.SIDs = []gdoi.SID{1}
	b.grant(o)
	b.take()
	o = mergeOffer(a1, b2)
	o.ATD = a
	b.push(o)
	b.run(a - time.Second)
	b.want("before the time of the next", "install 1b02; ")
	b.run(time.Second)
	b.want("the next", "send 1b02; ")
}

// TestAKeyForWantOfAnother: a member sends with its only key before the time of that, and registers at another side, whose
// key is in force. The next rekey of the first side, which does not list that one, does not bring it back to the key whose
// time has not come (simulator seed 4247).
func TestAKeyForWantOfAnother(t *testing.T) {
	b := newBench(t, Config{})
	o := keyed(mergeOffer(a1), 0xa, 1, 0)
	o.SIDs = []gdoi.SID{1}
	b.grant(o)
	b.want("the only key", "closed; install 1a01; send 1a01; registered; ")
	o = mergeOffer(b1)
	o.ATD, o.SIDs = 0, []gdoi.SID{2}
	b.grant(o)
	b.want("the key of the other side", "install 1b01; send 1b01; ")
	b.run(time.Second)
	b.push(mergeOffer(a1, a2))
	b.want("a rekey of the first side", "install 1a02; ")
	b.run(2*a - time.Second)
	b.want("when the time of its key has come", "send 1a01; ")
	b.run(time.Second)
	b.want("and of the next", "send 1a02; ")
}
