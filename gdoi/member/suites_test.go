package member

import (
	"errors"
	"strings"
	"testing"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/policy"
	"github.com/getvpn/getvpn/gdoi/pull"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// TestSuitesThatAreAccepted: by default what encrypts with AES; the rest must be named.
func TestSuitesThatAreAccepted(t *testing.T) {
	named := []suite.ESP{suite.ESP3DESCBCSHA1, suite.ESPNullSHA256}
	for _, row := range []struct {
		allowed []suite.ESP
		offered suite.ESP
		ok      bool
	}{
		{nil, suite.ESPAES256GCM16, true}, {nil, suite.ESPAES128CBCSHA512, true}, {nil, suite.ESPAES192CTRSHA256, true},
		{nil, suite.ESP3DESCBCSHA1, false}, {nil, suite.ESPNullSHA256, false}, {nil, suite.ESPAES128GMAC, false},
		{named, suite.ESP3DESCBCSHA1, true}, {named, suite.ESPNullSHA256, true},
		{named, suite.ESPAES256GCM16, false}, {named, suite.ESPNullSHA384, false},
	} {
		o := offer(0, []gdoi.SID{1}, 0x1001, 0x1002)
		o.TEKs[1].Suite = row.offered
		o.TEKs[0].Suite = row.offered
		err := newBench(t, Config{Suites: row.allowed}).g.acceptable(o)
		if row.ok != (err == nil) || !row.ok && (!errors.Is(err, ErrSuite) || !strings.Contains(err.Error(), row.offered.String())) {
			t.Errorf("%v offered, %v allowed: %v", row.offered, row.allowed, err)
		}
	}
}

// TestRekeyToARefusedSuite: the keys that are there live on, nothing is installed, the member asks again and says why.
func TestRekeyToARefusedSuite(t *testing.T) {
	b := newBench(t, Config{})
	b.grant(offer(0, []gdoi.SID{1}, 0x1001))
	b.take()
	next := offer(a, nil, 0x1001, 0x1002)
	next.TEKs[1].Suite, next.TEKs[1].Key = suite.ESPNullSHA256, machine.NewSecret(make([]byte, 32))
	b.push(next)
	b.want("refused rekey", "")
	if !strings.Contains(b.g.reason, "null-sha256") || b.g.sending[0] != 0x1001 {
		t.Errorf("reason %q, sending with %v", b.g.reason, b.g.sending)
	}
	if _, ok := b.g.attempt.Deadline(); !ok {
		t.Error("no registration is due")
	}
}

// TestRekeyWithoutSenderIDs: counter modes cannot do without them, the others can.
func TestRekeyWithoutSenderIDs(t *testing.T) {
	for _, row := range []struct {
		suite suite.ESP
		want  string
	}{
		{suite.ESPAES128GCM16, ""},
		{suite.ESPAES128CBCSHA256, "install 1002; "},
	} {
		b := newBench(t, Config{})
		first := offer(0, nil, 0x1001)
		first.SIDBits = 0
		first.TEKs[0].Suite = suite.ESPAES128CBCSHA256
		b.grant(first)
		b.take()
		next := offer(a, nil, 0x1001, 0x1002)
		next.TEKs[0].Suite, next.TEKs[1].Suite = suite.ESPAES128CBCSHA256, row.suite
		b.push(next)
		b.want(row.suite.String(), row.want)
	}
}

// TestRefusedSuiteOnItsWayOut: a group that comes back to a suite that the member takes has it back at once, without the
// keys that it refuses.
func TestRefusedSuiteOnItsWayOut(t *testing.T) {
	b := newBench(t, Config{})
	b.grant(offer(0, []gdoi.SID{1}, 0x1001))
	b.take()
	back := func() *pull.Offer {
		o := offer(a, []gdoi.SID{2}, 0x1002, 0x1003)
		o.TEKs[0].Suite, o.TEKs[0].Key = suite.ESPNullSHA256, machine.NewSecret(make([]byte, 32))
		return o
	}
	if err := b.g.acceptable(back()); err != nil {
		t.Error(err)
	}
	b.push(back())
	b.want("rekey", "install 1003; ")
	// But what protects other traffic has no successor.
	o := back()
	o.TEKs[0].Policy, _ = policy.ParseList("permit ip 10.9.0.0/16 10.9.0.0/16")
	if err := b.g.acceptable(o); !errors.Is(err, ErrSuite) {
		t.Error(err)
	}
	fresh := newBench(t, Config{})
	fresh.grant(back())
	fresh.want("registration", "closed; install 1003; send 1003; registered; ")
}
