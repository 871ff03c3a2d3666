package keyserver

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/policy"
	"github.com/getvpn/getvpn/gdoi/suite"
)

func rules(t testing.TB, lines ...string) policy.List {
	t.Helper()
	l, err := policy.ParseList(strings.Join(lines, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// threeSAs is a group of a shared SA, one with an SPI for each selector, and one that lives shortly.
func threeSAs(t testing.TB) Config {
	c := testConfig(t)
	c.Policy = nil
	c.SAs = []SAConfig{
		{Name: "data", Policy: rules(t, "deny udp any eq 53 any", "permit ip 10.1.0.0/16 10.1.0.0/16", "permit ip 10.2.0.0/16 10.2.0.0/16")},
		{Name: "voice", Policy: rules(t, "permit udp 10.3.0.0/16 10.3.0.0/16", "permit tcp 10.3.0.0/16 10.3.0.0/16"), PerSelector: true, TEK: suite.ESPAES128GCM16},
		{Name: "short", Policy: rules(t, "permit ip 10.4.0.0/16 10.4.0.0/16"), Lifetime: 10 * time.Minute},
	}
	return c
}

// chart is what the group has: for each TEK its SA, how many selectors, suite and phase.
func (s *shell) chart() string {
	var b strings.Builder
	for _, t := range s.g.Snapshot(s.now).TEKs {
		fmt.Fprintf(&b, "%s/%d %s %v, ", t.SA, len(t.Selectors), strings.TrimPrefix(t.Suite, "aes-"), t.Phase)
	}
	return strings.TrimSuffix(b.String(), ", ")
}

func TestChains(t *testing.T) {
	s := newShell(t, threeSAs(t))
	s.mustRegister(testPeer(1))
	const start = "data/2 256-gcm sending, voice/1 128-gcm sending, voice/1 128-gcm sending, short/1 256-gcm sending"
	for _, step := range []struct {
		after time.Duration
		want  string
	}{
		{0, start},
		{8*time.Minute - time.Second, start},
		{time.Second, start + ", short/1 256-gcm waiting"},
		{time.Minute, strings.Replace(start, "short/1 256-gcm sending", "short/1 256-gcm draining", 1) + ", short/1 256-gcm sending"},
		{time.Minute, start},
		{48 * time.Minute, "data/2 256-gcm sending, voice/1 128-gcm sending, voice/1 128-gcm sending, short/1 256-gcm sending, data/2 256-gcm waiting, voice/1 128-gcm waiting, voice/1 128-gcm waiting"},
	} {
		s.run(step.after)
		if got := s.chart(); got != step.want {
			t.Errorf("at %v:\n got %s\nwant %s", time.Duration(s.now.Mono), got, step.want)
		}
	}
	// Members get the chains in the order of the access list, whatever was made last.
	order := ""
	for _, tek := range s.g.offer(s.now).TEKs {
		order += tek.Policy[0].Src.String() + " "
	}
	if want := "10.1.0.0/16 10.1.0.0/16 10.3.0.0/16 10.3.0.0/16 10.3.0.0/16 10.3.0.0/16 10.4.0.0/16 "; order != want {
		t.Errorf("order %q; want %q", order, want)
	}
	if n := len(s.g.offer(s.now).AccessList); n != 6 {
		t.Errorf("an access list of %d rules; want all 6", n)
	}
}

func TestSAConfigErrors(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"both forms", func(c *Config) { c.Policy = rules(t, "permit ip any any") }, "has a policy and SAs"},
		{"no name", func(c *Config) { c.SAs[0].Name = "" }, "no name"},
		{"twice", func(c *Config) { c.SAs[1].Name = "data" }, `two SAs have the name "data"`},
		{"nothing", func(c *Config) { c.SAs[0].Policy = rules(t, "deny ip any any") }, "permits nothing"},
		{"same selector", func(c *Config) { c.SAs[2].Policy = rules(t, "permit ip 10.2.0.0/16 10.2.0.0/16") }, `both have the selector`},
		{"port ranges", func(c *Config) {
			c.SAs[1].Policy = rules(t, "permit udp 10.3.0.0/16 range 1 2 10.3.0.0/16", "permit udp 10.3.0.0/16 range 3 4 10.3.0.0/16")
		}, "cannot tell SAs apart"},
		{"short life", func(c *Config) { c.SAs[2].Lifetime = time.Minute }, "too short for activation-delay"},
		{"too many rules", func(c *Config) {
			for i := range 100 {
				c.SAs[0].Policy = append(c.SAs[0].Policy, rules(t, fmt.Sprintf("permit ip 10.9.%d.0/24 any", i))...)
			}
		}, "at most 100"},
		{"too large", func(c *Config) {
			c.SAs = []SAConfig{{Name: "six", PerSelector: true}}
			for i := range 100 {
				c.SAs[0].Policy = append(c.SAs[0].Policy, rules(t, fmt.Sprintf("permit tcp 2001:db8:%x::/64 2001:db8:ffff::/64", i))...)
			}
		}, "too much for one rekey message"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := threeSAs(t)
			c.change(&cfg)
			if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v; want %q", err, c.want)
			}
		})
	}
	if err := threeSAs(t).Validate(); err != nil {
		t.Error(err)
	}
}

func TestRestoreChains(t *testing.T) {
	s := newShell(t, threeSAs(t))
	s.mustRegister(testPeer(1))
	s.run(8*time.Minute + 10*time.Second)
	before := s.g
	mark := len(s.out)
	s.start(threeSAs(t))
	if len(s.g.teks) != 5 || len(s.sends(mark)) == 0 {
		t.Fatalf("%d TEKs, %d datagrams; want the 5, announced", len(s.g.teks), len(s.sends(mark)))
	}
	for i, tek := range s.g.teks {
		if old := before.teks[i]; tek.spi != old.spi || !tek.key.Equal(old.key) || !tek.chain.same(old.chain) || tek.chain.dropped {
			t.Errorf("TEK %d is %v of %s", i, tek.spi, tek.chain.sa)
		}
	}
}

// TestRestoreOfOneSA: records of older versions do not say what a TEK protects; where the group had one SA and still has,
// that is known.
func TestRestoreOfOneSA(t *testing.T) {
	for _, c := range []struct {
		name      string
		cfg       Config
		discarded int
	}{{"one", testConfig(t), 0}, {"three", threeSAs(t), 1}} {
		t.Run(c.name, func(t *testing.T) {
			s := newShell(t, testConfig(t))
			spi := s.g.teks[0].spi
			r := s.disk[tekKey(spi)]
			i, j := strings.Index(string(r.Value), `"Permits"`), strings.Index(string(r.Value), `"Suite"`)
			r.Value = append(append([]byte{}, r.Value[:i]...), r.Value[j:]...)
			s.disk[r.Key] = r
			delete(s.disk, policyKey)
			s.start(c.cfg)
			if n := s.notes(gdoi.NoteStateDiscarded); n != c.discarded || (s.g.teks[0].spi == spi) != (n == 0) {
				t.Errorf("%d times discarded; TEK %v, was %v", n, s.g.teks[0].spi, spi)
			}
		})
	}
}
