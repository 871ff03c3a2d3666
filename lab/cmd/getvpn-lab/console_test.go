package main

import (
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

// TestConsole is what an operator does: attaches to a lab with three key servers, looks, and acts, in a real terminal. A second,
// smaller console, which may only look, must show the same. What is done must be on both screens within two seconds.
func TestConsole(t *testing.T) {
	m := newTerminal(t)
	b := build(t)
	t.Setenv("XDG_STATE_HOME", t.TempDir()) // no history of ours
	t.Setenv("NO_COLOR", "")
	b.must("up", "coop-failover", "--profile", "quick", "--set", "tek_lifetime=300s,kek_lifetime=900s,activation_delay=5s", "--name", b.name)
	console := filepath.Join(b.dir, "getvpn-tui")
	m.wide = "132x43"
	m.open(m.wide, 132, 43, console, "--lab", b.name, "--write", "--theme", "dark")
	m.open("80x24", 80, 24, console, "--lab", b.name)
	for _, name := range m.all {
		m.see(name, "the group", time.Minute, has("11 up", "ks1", "GROUP blue"))
	}
	m.tmux("send-keys", "-t", "80x24", "r")
	m.see("80x24", "a refusal", time.Minute, has("read-only"))

	teks := func(screen string) map[string]bool {
		found := map[string]bool{}
		for _, spi := range regexp.MustCompile(`TEK ([0-9a-f]{8})`).FindAllStringSubmatch(screen, -1) {
			found[spi[1]] = true
		}
		return found
	}
	before := teks(m.screen(m.wide))
	fresh := func(screen string) bool {
		for spi := range teks(screen) {
			if !before[spi] {
				return len(before) > 0
			}
		}
		return false
	}
	m.act("a rekey", []string{"r"}, "Rekey group blue with a new TEK", "y", fresh, fresh)

	dead := all(has("down: ks1"), matches(`ks[23] +● primary`))
	m.act("the primary is killed", []string{":kill ks1", "Enter"}, "Kill ks1 (SIGKILL)", "y", dead, dead)
	back := all(has("11 up"), matches(`ks1 +● secondary`))
	m.act("it is started again", []string{":start ks1", "Enter"}, "Start ks1", "y", back, back)
	m.act("a member registers", []string{":start gm9", "Enter"}, "Start gm9", "y", all(has("12 up"), matches(`gm9 +● registered`)), has("12 up", "9/9 registered"))

	// The two routers are the sides of the cut, chosen on the topology, as in getvpn-lab partition p1/p2.
	cut := has("CUT 1", "SPLIT: blue")
	m.act("the network is cut", []string{"8", "/kind=core", "Enter", "v", "b", "D"}, "Cut the network between p1 and p2", "y", cut, cut)
	m.see(m.wide, "the sides on the topology", 10*time.Second, has("✂1a", "✂1b"))
	m.act("it is healed", []string{"8", "U"}, "Lift all partitions", "y", without("CUT 1"), without("CUT 1"))
	for _, name := range m.all {
		took := m.see(name, "one group again", 30*time.Second, without("SPLIT", "merging"))
		t.Logf("no split is seen any more on %s: %d ms later", name, took.Milliseconds())
	}

	m.act("a member is removed", []string{"2", "/gm8", "Enter", "X"}, "type the group's name", "blue", matches(`gm8 +blue +○ removed`), matches(`[0-9]/8 members`))
}
