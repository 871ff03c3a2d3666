package keyserver

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/policy"
)

func TestConfigErrorsSayWhat(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(*Config)
		want string // empty: valid
	}{
		{"as it is", func(*Config) {}, ""},
		{"no name", func(c *Config) { c.Name = "" }, "no name"},
		{"no id", func(c *Config) { c.ID = "" }, "no id"},
		{"no policy", func(c *Config) { c.Policy = nil }, "permit"},
		{"delay of no seconds", func(c *Config) { c.ActivationDelay = time.Millisecond }, "whole seconds"},
		{"delay of one and a half", func(c *Config) { c.ActivationDelay = 1500 * time.Millisecond }, "whole seconds"},
		{"delay too long for the TEK", func(c *Config) { c.TEKLifetime = time.Minute }, "at most 7s"},
		{"just fits", func(c *Config) { c.TEKLifetime, c.ActivationDelay = time.Minute, 7*time.Second }, ""},
		{"KEK too short", func(c *Config) { c.KEKLifetime = time.Minute }, "kek lifetime"},
		{"sender ids of 20 bits", func(c *Config) { c.SIDBits = 20 }, "8, 12, 16"},
		{"sender ids beyond the space", func(c *Config) { c.SIDBits, c.SIDFirst, c.SIDCount = 8, 200, 100 }, "do not fit"},
		{"first beyond the space", func(c *Config) { c.SIDBits, c.SIDFirst = 8, 256 }, "do not fit"},
		{"no public key", func(c *Config) { c.SignPublic = nil }, "signature key"},
		{"a hundred retransmits", func(c *Config) { c.Retransmits = 100 }, "at most 10"},
	} {
		cfg := testConfig(t)
		c.edit(&cfg)
		err := cfg.Validate()
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.want != "" && (err == nil || !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: error %v; want one with %q", c.name, err, c.want)
		}
	}
}

func TestSPIWalk(t *testing.T) {
	w := spiWalk{at: 0xffffff00, stride: 3} // runs through the reserved values soon
	seen := map[gdoi.SPI]bool{}
	for range 100000 {
		s := w.next()
		if s < gdoi.MinSPI || seen[s] {
			t.Fatalf("SPI %v is reserved or came before", s)
		}
		seen[s] = true
	}
}

// TestRolloverTimes is the table of the package comment.
func TestRolloverTimes(t *testing.T) {
	s := newShell(t, testConfig(t))
	if _, err := s.register(testPeer(1), 1); err != nil {
		t.Fatal(err)
	}
	const a = DefaultActivationDelay
	s.run(time.Hour - 4*a - time.Second)
	mark := len(s.out)
	if n := len(s.g.Snapshot(s.now).TEKs); n != 1 {
		t.Fatalf("%d TEKs before T0", n)
	}
	s.run(2 * time.Second)
	sent := s.sends(mark)
	tek := s.g.Snapshot(s.now).TEKs
	if len(tek) != 2 || len(sent) != 1 || tek[0].Phase != gdoi.PhaseSending || tek[1].Phase != gdoi.PhaseWaiting {
		t.Fatalf("after T0: %d TEKs, %d datagrams, phases %v", len(tek), len(sent), tek)
	}
	if sent[0].After == 0 {
		t.Error("a rekey does not wait for its record")
	}
	s.run(a / 2)
	again := s.sends(mark)
	if len(again) != 3 || string(again[2].Bytes) != string(again[0].Bytes) || string(again[1].Bytes) != string(again[0].Bytes) {
		t.Fatalf("%d datagrams until A/2; want 3 identical ones", len(again))
	}
	s.run(3 * a / 2)
	if tek = s.g.Snapshot(s.now).TEKs; tek[0].Phase != gdoi.PhaseDraining || tek[1].Phase != gdoi.PhaseSending {
		t.Errorf("at T0+2A: phases %v and %v", tek[0].Phase, tek[1].Phase)
	}
	old := s.g.teks[0].key
	s.run(2 * a)
	if tek = s.g.Snapshot(s.now).TEKs; len(tek) != 1 || old.Len() != 0 {
		t.Errorf("at T0+4A: %d TEKs, %d octets of the old key; want 1, 0", len(tek), old.Len())
	}
	if len(s.sends(mark)) != 3 {
		t.Error("more datagrams than three")
	}
}

func TestDurableFirst(t *testing.T) {
	s := newShell(t, testConfig(t))
	p := testPeer(1)
	_, out, err := s.g.Policy(s.now, p, nil)
	if err != nil || len(out) != 0 {
		t.Fatalf("asking for the policy had effects %v, error %v", out, err)
	}
	o, id, out, err := s.g.Register(s.now, p, 3, s.g.Version(), nil)
	if err != nil || len(o.SIDs) != 3 {
		t.Fatalf("%v %v", o, err)
	}
	found := false
	for _, e := range out {
		if e, ok := e.(machine.Persist); ok && e.ID == id {
			keys := ""
			for _, r := range e.Records {
				keys += r.Key + " "
				if r.Key == countersKey && !strings.Contains(string(r.Value), `"SIDNext":3`) {
					t.Errorf("counters are %s; want the three ids taken", r.Value)
				}
			}
			found = keys == "counters lkh/00/00000000 member/10.1.0.1 10.1.0.1 "
		}
	}
	if !found {
		t.Error("no transaction holds the sender ids and the member")
	}
}

func TestSenderIDsAreNeverReused(t *testing.T) {
	cfg := testConfig(t)
	cfg.SIDBits = 8
	s := newShell(t, cfg)
	type use struct {
		spi gdoi.SPI
		sid gdoi.SID
	}
	used := map[use]bool{}
	resets := 0
	for i := range 600 {
		if i%100 == 50 {
			s.start(cfg)
		}
		sids, err := s.register(testPeer(byte(i%7)), 1)
		if errors.Is(err, ErrChanged) {
			resets++
			if n := len(s.g.Snapshot(s.now).Members); n != 0 {
				t.Fatalf("%d members after a reset", n)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, tek := range s.g.teks {
			for _, sid := range sids {
				if used[use{tek.spi, sid}] || sid > 255 {
					t.Fatalf("registration %d: sender id %d under %v again, or too wide", i, sid, tek.spi)
				}
				used[use{tek.spi, sid}] = true
			}
		}
		s.run(time.Second)
	}
	if resets != 2 || s.notes(gdoi.NoteGroupReset) != 2 {
		t.Errorf("%d resets; want 2 for 600 registrations of 256 ids", resets)
	}
}

func TestMemberExpires(t *testing.T) {
	cfg := testConfig(t)
	cfg.Ack = AckNever
	s := newShell(t, cfg)
	if _, err := s.register(testPeer(1), 1); err != nil {
		t.Fatal(err)
	}
	s.run(12 * time.Hour)
	if _, err := s.register(testPeer(2), 1); err != nil {
		t.Fatal(err)
	}
	s.run(13*time.Hour + 13*time.Minute)
	m := s.g.Snapshot(s.now).Members
	if len(m) != 1 || m[0].Identity != "10.1.0.2" || s.notes(gdoi.NoteGMExpired) != 1 {
		t.Errorf("members %v; want the second alone", m)
	}
}

func TestYoungKEKIsAnnouncedTwice(t *testing.T) {
	s := newShell(t, testConfig(t))
	if _, err := s.register(testPeer(1), 1); err != nil {
		t.Fatal(err)
	}
	mark := len(s.out)
	_, out, _ := s.g.Rekey(s.now, true, nil)
	s.do(out)
	if n := len(s.sends(mark)); n != 1 {
		t.Fatalf("%d datagrams announce a new KEK; want 1, under the old one", n)
	}
	s.run(DefaultActivationDelay)
	mark = len(s.out)
	_, out, _ = s.g.Rekey(s.now, false, nil)
	s.do(out)
	if n := len(s.sends(mark)); n != 2 {
		t.Errorf("%d datagrams while the KEK is young; want 2", n)
	}
	s.run(DefaultActivationDelay + time.Second)
	mark = len(s.out)
	_, out, _ = s.g.Rekey(s.now, false, nil)
	s.do(out)
	if n := len(s.sends(mark)); n != 1 {
		t.Errorf("%d datagrams when it is not; want 1", n)
	}
}

func TestCustodyIsAskedAgain(t *testing.T) {
	s := newShell(t, testConfig(t))
	if _, err := s.register(testPeer(1), 1); err != nil {
		t.Fatal(err)
	}
	s.mute = true
	mark := len(s.out)
	_, out, _ := s.g.Rekey(s.now, false, nil)
	s.do(out)
	s.run(signPatience + time.Second)
	if s.notes(gdoi.NoteSignFailed) != 1 || len(s.g.Snapshot(s.now).Problems) != 1 {
		t.Error("silence of the custody is not reported")
	}
	s.mute = false
	s.run(signPatience)
	if n := len(s.sends(mark)); n != 1 || len(s.g.Snapshot(s.now).Problems) != 0 {
		t.Errorf("%d datagrams after the custody came back; want 1", n)
	}
}

func TestNotAuthorised(t *testing.T) {
	cfg := testConfig(t)
	cfg.Authorise = policy.Authorisation{{ID: "10.1.0.2"}}
	s := newShell(t, cfg)
	if _, err := s.register(testPeer(1), 1); !errors.Is(err, ErrNotAuthorised) {
		t.Errorf("error %v", err)
	}
	if _, err := s.register(testPeer(2), 1); err != nil {
		t.Error(err)
	}
}

func TestOperatorMustWait(t *testing.T) {
	s := newShell(t, testConfig(t))
	for i := range maxTEKs {
		_, out, err := s.g.Rekey(s.now, false, nil)
		s.do(out)
		if (err != nil) != (i == maxTEKs-1) {
			t.Errorf("rekey %d: %v", i, err)
		}
		s.run(time.Second)
	}
	s.run(4 * DefaultActivationDelay)
	if _, _, err := s.g.Rekey(s.now, false, nil); err != nil {
		t.Error(err)
	}
}
