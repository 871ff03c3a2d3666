package gm

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/daemon/netcfg"
	"github.com/getvpn/getvpn/daemon/translate"
	"github.com/getvpn/getvpn/esp/engine"
	"github.com/getvpn/getvpn/esp/spd"
	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/policy"
)

func TestProbe(t *testing.T) {
	sa := func(remaining uint64, sending bool) engine.SAStats {
		return engine.SAStats{Group: "blue", SPI: 7, Sending: sending, Remaining: remaining}
	}
	low := []gdoi.DataPlaneReport{{Group: "blue", SPI: 7, Kind: gdoi.SeqLow}}
	for _, row := range []struct {
		name  string
		stats []engine.Stats
		want  [][]gdoi.DataPlaneReport
	}{
		{"plenty left", []engine.Stats{{SAs: []engine.SAStats{sa(1000, true)}}, {SAs: []engine.SAStats{sa(500, true)}}}, [][]gdoi.DataPlaneReport{nil, nil}},
		{"low is told once",
			[]engine.Stats{{SAs: []engine.SAStats{sa(1000, true)}}, {SAs: []engine.SAStats{sa(99, true)}}, {SAs: []engine.SAStats{sa(50, true)}}},
			[][]gdoi.DataPlaneReport{nil, low, nil}},
		{"low again after new sender ids",
			[]engine.Stats{{SAs: []engine.SAStats{sa(1000, true)}}, {SAs: []engine.SAStats{sa(99, true)}}, {SAs: []engine.SAStats{sa(1099, true)}}, {SAs: []engine.SAStats{sa(9, true)}}},
			[][]gdoi.DataPlaneReport{nil, low, nil, low}},
		{"not sending", []engine.Stats{{SAs: []engine.SAStats{sa(1000, false)}}, {SAs: []engine.SAStats{sa(0, false)}}}, [][]gdoi.DataPlaneReport{nil, nil}},
	} {
		t.Run(row.name, func(t *testing.T) {
			var p probe
			for i, s := range row.stats {
				if d := cmp.Diff(row.want[i], p.look(s, nil)); d != "" {
					t.Errorf("look %d: %s", i+1, d)
				}
			}
		})
	}
}

// TestProbeStrays: what keeps coming is told, of each group what is between its addresses, and then it must come again.
func TestProbeStrays(t *testing.T) {
	const none, blue, red = 0, 1, 2
	var p probe
	for i, row := range []struct{ came, told int }{
		{blue, none}, {blue, none}, {none, none}, {blue, none}, // now and then
		{blue | red, none}, {blue | red, blue}, {red, red}, // red's third
		{red | blue, none}, {red | blue, none}, {blue, blue}, {blue, none},
	} {
		var strays []engine.Stray
		var want []gdoi.DataPlaneReport
		for bit, g := range []string{"blue", "red"} {
			if row.came&(1<<bit) != 0 {
				strays = append(strays, engine.Stray{SPI: uint32(1000 + i + bit), Groups: []string{g}})
			}
			if row.told&(1<<bit) != 0 {
				want = append(want, gdoi.DataPlaneReport{Group: g, SPI: gdoi.SPI(1000 + i + bit), Kind: gdoi.UnknownSPI})
			}
		}
		if d := cmp.Diff(want, p.look(engine.Stats{}, strays)); d != "" {
			t.Errorf("look %d: %s", i+1, d)
		}
	}
}

// flaky is a kernel that fails for a while.
type flaky struct {
	Kernel
	fails int
	log   []string
}

func (f *flaky) SetGroups(g []netcfg.Group) error { return f.note("set", g) }

func (f *flaky) Prepare(g []netcfg.Group) (bool, error) { return true, f.note("prepare", g) }

// note remembers how many rules the first group had.
func (f *flaky) note(what string, g []netcfg.Group) error {
	f.log = append(f.log, fmt.Sprintf("%s %d", what, len(g[0].Rules)))
	if f.fails--; f.fails >= 0 {
		return errors.New("busy")
	}
	return nil
}

func TestApplier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var errs int
		k := &flaky{}
		a := newApplier(k, []netcfg.Group{{Name: "blue"}}, func(error) { errs++ })
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { a.run(ctx); close(done) }()
		set := func(n int) {
			t.Helper()
			synctest.Wait() // what run has done so far is seen
			k.log = append(k.log, "")
			if err := a.set("blue", func(g *netcfg.Group) { g.Rules = make(policy.List, n) }, func() error {
				k.log = append(k.log, fmt.Sprintf("engine %d", n))
				return nil
			}); err != nil {
				t.Error(err)
			}
		}
		set(1)
		time.Sleep(settle - 1)
		set(2) // before the first has settled: one step less for the kernel
		time.Sleep(time.Minute)
		synctest.Wait()
		k.fails = 3
		set(3)
		time.Sleep(time.Minute)
		set(4)
		synctest.Wait()
		cancel()
		<-done
		k.log = append(k.log, "")
		if err := a.flush(); err != nil {
			t.Error(err)
		}
		want := []string{
			"", "prepare 1", "engine 1",
			"", "prepare 2", "engine 2", "set 2",
			"", "prepare 3", "engine 3", "set 3", "set 3", "set 3",
			"", "prepare 4", "engine 4", // what is missing comes with the end
			"", "set 4",
		}
		if d := cmp.Diff(want, k.log); d != "" || errs != 3 {
			t.Errorf("%d errors; calls %s", errs, d)
		}
	})
}

func TestRules(t *testing.T) {
	l, err := policy.ParseList("permit tcp 10.1.0.0/16 range 1000 2000 host 10.2.0.1\ndeny icmp any any")
	if err != nil {
		t.Fatal(err)
	}
	any4 := netip.MustParsePrefix("0.0.0.0/0")
	want := []spd.Rule{
		{Action: spd.Permit, Proto: 6, Src: netip.MustParsePrefix("10.1.0.0/16"), Dst: netip.MustParsePrefix("10.2.0.1/32"), SrcPorts: spd.Ports{Lo: 1000, Hi: 2000}, DstPorts: spd.AnyPort},
		{Action: spd.Deny, Proto: 1, Src: any4, Dst: any4, SrcPorts: spd.AnyPort, DstPorts: spd.AnyPort},
	}
	if d := cmp.Diff(want, rules(l), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); d != "" {
		t.Error(d)
	}
}

// TestOwnMode: a mode of the member's own holds before the first registration.
func TestOwnMode(t *testing.T) {
	for _, row := range []struct {
		mode          string
		accept, clear bool
	}{{"", false, false}, {"full", false, false}, {"passive", true, false}, {"receive-only", true, true}} {
		g := config.GMGroup{Name: "blue"}
		if m, err := gdoi.ParseMode(row.mode); err == nil {
			g.Mode = &m
		}
		c := &config.GM{Groups: []config.GMGroup{g}}
		k, e := kernelGroups(c)[0], engineConfig(c).Groups[0]
		if k.AcceptClear != row.accept || k.SendClear != row.clear || e.ReceiveOnly != row.clear {
			t.Errorf("mode %q: kernel %+v, engine %+v", row.mode, k, e)
		}
	}
}

func TestMSS(t *testing.T) {
	off, auto, n := config.MSSClamp{Off: true}, config.MSSClamp{}, func(v int) config.MSSClamp { return config.MSSClamp{Value: v} }
	for _, row := range []struct {
		name   string
		groups []config.MSSClamp
		want   int
	}{
		{"auto", []config.MSSClamp{auto}, engine.MSSAuto},
		{"off", []config.MSSClamp{off}, 0},
		{"number", []config.MSSClamp{n(1300)}, 1300},
		{"the lowest number", []config.MSSClamp{off, n(1300), n(1200), auto}, 1200},
		{"auto beats off", []config.MSSClamp{off, auto}, engine.MSSAuto},
	} {
		var groups []config.GMGroup
		for _, m := range row.groups {
			groups = append(groups, config.GMGroup{MSSClamp: m})
		}
		if got := mss(groups); got != row.want {
			t.Errorf("%s: %d, want %d", row.name, got, row.want)
		}
	}
}

// TestCheckExample: the commented example of the configuration is one that a member could run with.
func TestCheckExample(t *testing.T) {
	dir := t.TempDir()
	text, err := os.ReadFile("../config/testdata/gm.yml")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(
		os.Mkdir(filepath.Join(dir, "psk"), 0o700),
		os.WriteFile(filepath.Join(dir, "psk/ks"), []byte("0123456789abcdef"), 0o600),
		os.WriteFile(filepath.Join(dir, "gm.yml"), text, 0o600),
	); err != nil {
		t.Fatal(err)
	}
	c, err := config.LoadGM(filepath.Join(dir, "gm.yml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := Check(c); err != nil {
		t.Error(err)
	}
	n, err := translate.GroupMemberNode(c, c.Local)
	if err != nil {
		t.Fatal(err)
	}
	if n.Phase1.PSK(netip.MustParseAddr("10.0.0.1")).Len() != 16 || n.Phase1.PSK(netip.MustParseAddr("10.0.0.3")) != nil {
		t.Error("the secret of the key servers, and of nobody else")
	}
	first := n.Groups[0].KeyServers[0]
	c.Groups[0].KeyServers[0].Preferred, c.Groups[0].KeyServers[1].Preferred = false, true
	if n, err = translate.GroupMemberNode(c, c.Local); err != nil || n.Groups[0].KeyServers[1] != first {
		t.Errorf("the other key server is preferred, and the order is %v (%v)", n.Groups[0].KeyServers, err)
	}
	if n.Groups[0].ID != gdoi.GroupIDFromUint32(1234) {
		t.Errorf("group id %q", n.Groups[0].ID)
	}
	c.Interfaces.LAN = []string{c.Interfaces.WAN}
	if err := Check(c); err == nil || !strings.Contains(err.Error(), "two roles") {
		t.Errorf("one interface as LAN and WAN: %v", err)
	}
	var out strings.Builder
	c.Interfaces.WAN = "nosuchif"
	if Doctor(c, &out) || !strings.Contains(out.String(), "FAIL wan") {
		t.Errorf("the doctor finds nothing:\n%s", out.String())
	}
	c.Interfaces.MTU = math.MaxUint16 + 1
	if err := Check(c); err == nil {
		t.Error("an impossible MTU passed")
	}
}
