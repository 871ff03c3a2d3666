package sim

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// mutant is a mistake in the code that the simulator must find.
type mutant struct {
	name, file string
	// old stands exactly once in the file; new is what stands there instead, and must do what old does unless
	// machine.Mutated(name).
	old, new string
	// seeds is within how many seeds it is found; 0: by crashes of a key server that is alone.
	seeds int
}

var mutants = []mutant{
	{"skip-persist", "gdoi/keyserver/durable.go",
		"func (d *durable) kek(k *kek)              { mark(&d.keks, k.spi, k) }",
		"func (d *durable) kek(k *kek) { if k.seq&0xffff > 1 && machine.Mutated(\"skip-persist\") { return }; mark(&d.keks, k.spi, k) }", 0},
	{"sid-twice", "gdoi/keyserver/register.go",
		"		g.sidNext++\n",
		"		if g.sidNext%5 != 0 || !machine.Mutated(\"sid-twice\") { g.sidNext++ }\n", 20},
	{"sids-undivided", "gdoi/keyserver/division.go",
		"		own := c.space.of(c.Coop.ID)\n",
		"		own := c.space.of(c.Coop.ID)\n		if machine.Mutated(\"sids-undivided\") { own = c.space }\n", 20},
	{"old-seq", "gdoi/push/receiver.go",
		"	m, err := Open(r.key, r.last, datagram)\n",
		"	if machine.Mutated(\"old-seq\") { r.last = 0 }\n	m, err := Open(r.key, r.last, datagram)\n", 60},
	{"same-window", "gdoi/keyserver/division.go",
		"	w := max(k.seq>>windowBits+1, k.floor)\n",
		"	w := max(k.seq>>windowBits+1, k.floor)\n	if machine.Mutated(\"same-window\") { w-- }\n", 60},
	{"spi-undivided", "gdoi/keyserver/division.go",
		"	return s<<spiBits | gdoi.SPI(g.cfg.Coop.ID)\n",
		"	if machine.Mutated(\"spi-undivided\") { return 0x10000 + gdoi.SPI(g.epoch) }\n	return s<<spiBits | gdoi.SPI(g.cfg.Coop.ID)\n", 60},
	{"too-early", "gdoi/keyserver/epoch.go",
		"		t.sendAfter = now.Mono.Add(g.activation(old.expires.Sub(now.Mono)))\n",
		"		t.sendAfter = now.Mono.Add(g.activation(old.expires.Sub(now.Mono)))\n		if machine.Mutated(\"too-early\") { t.sendAfter = now.Mono }\n", 20},
	{"two-primaries", "gdoi/coop/election.go",
		"func (c *Cell) rival() *peer {\n",
		"func (c *Cell) rival() *peer {\n	if machine.Mutated(\"two-primaries\") { return nil }\n", 20},
	{"unmerged", "gdoi/keyserver/merge.go",
		"	out = m.act(now, out)\n",
		"	if machine.Mutated(\"unmerged\") { return false, out, nil }\n	out = m.act(now, out)\n", 60},
	{"clocks-trusted", "gdoi/keyserver/apply.go",
		"	theirs := machine.Now{Mono: now.Mono, Wall: now.Wall.Add(ahead)}\n",
		"	if machine.Mutated(\"clocks-trusted\") { ahead = 0 }\n	theirs := machine.Now{Mono: now.Mono, Wall: now.Wall.Add(ahead)}\n", 100},
	{"removed-served", "gdoi/keyserver/remove.go",
		"func (g *Group) wasRemoved(p Peer) bool {\n",
		"func (g *Group) wasRemoved(p Peer) bool {\n	if machine.Mutated(\"removed-served\") { return false }\n", 60},
	{"other-keys", "gdoi/keyserver/schedule.go",
		"func (g *Group) derives() bool { return ",
		"func (g *Group) derives() bool { return !machine.Mutated(\"other-keys\") && ", 60},
	{"not-unwrapped", "gdoi/keyserver/moving.go",
		"	wrapped := g.ownCopy(k)\n",
		"	if machine.Mutated(\"not-unwrapped\") { return out }\n	wrapped := g.ownCopy(k)\n", 20},
	{"not-wrapped", "gdoi/keyserver/moving.go",
		"		if id == g.cfg.Coop.ID || len(key) == 0 || ",
		"		if machine.Mutated(\"not-wrapped\") || id == g.cfg.Coop.ID || len(key) == 0 || ", 20},
	{"spare-twice", "gdoi/keyserver/spare.go",
		"	g.custody.spare, g.custody.made, g.custody.owed = nil, false, false\n",
		"	if machine.Mutated(\"spare-twice\") { c := *k; return &c, out }\n	g.custody.spare, g.custody.made, g.custody.owed = nil, false, false\n", 20},
	{"value-kept", "gdoi/keyserver/window.go",
		"	if k.name != \"\" {\n		k.key.Destroy()\n",
		"	if k.name != \"\" && !machine.Mutated(\"value-kept\") {\n		k.key.Destroy()\n", 20},
	{"value-waits", "gdoi/push/build.go",
		"func (u *Unsigned) Hide(value []byte) {\n",
		"func (u *Unsigned) Hide(value []byte) {\n	if machine.Mutated(\"value-waits\") { return }\n", 60},
	{"value-recorded", "gdoi/keyserver/records.go",
		"	if !r.Custody {\n		r.Key = k.key.Bytes()\n",
		"	if !r.Custody || machine.Mutated(\"value-recorded\") {\n		r.Key = k.key.Bytes()\n", 60},
	{"tokenless-primary", "gdoi/coop/custody.go",
		"	if !k.look.Due(now.Mono) {\n",
		"	if !k.look.Due(now.Mono) || machine.Mutated(\"tokenless-primary\") {\n", 60},
	{"kept-too-long", "gdoi/member/keys.go",
		"		if g.teks[i].expires > now.Mono {\n",
		"		if g.teks[i].expires > now.Mono || machine.Mutated(\"kept-too-long\") && g.teks[i].expires.Add(3*time.Second) > now.Mono {\n", 20},
}

// switchboard is a file that the mutated build has beside those of package machine.
const switchboard = `package machine

import "os"

var mutation = os.Getenv("GETVPN_MUTATION")

// Mutated says whether the code is to make a mistake.
func Mutated(name string) bool { return name == mutation }
`

// overlay writes the mutated sources and the list of them for the go command.
func overlay(t *testing.T, root, dir string) string {
	t.Helper()
	replace := map[string]string{}
	put := func(path string, b []byte) {
		to := filepath.Join(dir, strings.ReplaceAll(path, "/", "_"))
		if err := os.WriteFile(to, b, 0o600); err != nil {
			t.Fatal(err)
		}
		replace[filepath.Join(root, path)] = to
	}
	sources := map[string][]byte{}
	for _, m := range mutants {
		if sources[m.file] == nil {
			b, err := os.ReadFile(filepath.Join(root, m.file))
			if err != nil {
				t.Fatal(err)
			}
			sources[m.file] = b
		}
		if n := bytes.Count(sources[m.file], []byte(m.old)); n != 1 {
			t.Fatalf("%s: %q stands %d times in %s; want once: give the mutation another place", m.name, m.old, n, m.file)
		}
		sources[m.file] = bytes.Replace(sources[m.file], []byte(m.old), []byte(m.new), 1)
	}
	for path, b := range sources {
		put(path, withMachine(b))
	}
	put("gdoi/machine/mutation.go", []byte(switchboard))
	b, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(list, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return list
}

// withMachine sees to it that a source imports package machine.
func withMachine(b []byte) []byte {
	const path = `"github.com/getvpn/getvpn/gdoi/machine"`
	if bytes.Contains(b, []byte(path)) {
		return b
	}
	return bytes.Replace(b, []byte("import (\n"), []byte("import (\n\t"+path+"\n"), 1)
}

// TestMutations: each of these mistakes in the code breaks a rule within some seeds, while without them nothing does
// (TestSeeds). All are in one build, which does them one at a time.
func TestMutations(t *testing.T) {
	if testing.Short() {
		t.Skip("a minute")
	}
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		t.Fatal(err)
	}
	root, dir := filepath.Dir(strings.TrimSpace(string(out))), t.TempDir()
	list, binary := overlay(t, root, dir), filepath.Join(dir, "mutated")
	build := exec.Command("go", "test", "-c", "-overlay", list, "-o", binary, "./lab/sim")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("the mutated code is not built: %v\n%s", err, out)
	}
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			began := time.Now()
			run := exec.Command(binary, "-test.run", "^TestSeeds$")
			if m.seeds == 0 {
				run = exec.Command(binary, "-test.run", "^TestCrashesBetweenEffects$", "-test.short")
			}
			run.Env = append(os.Environ(), "GETVPN_MUTATION="+m.name, "GETVPN_SIM_SEEDS="+itoa(m.seeds))
			out, err := run.CombinedOutput()
			if err == nil {
				t.Fatalf("it is not found within %d seeds", m.seeds)
			}
			t.Logf("%v: %.200s", time.Since(began).Round(100*time.Millisecond), firstFinding(out))
		})
	}
}

// firstFinding is what TestSeeds said first.
func firstFinding(out []byte) string {
	for line := range strings.Lines(string(out)) {
		if _, text, ok := strings.Cut(line, "found: "); ok {
			return strings.TrimSpace(text)
		}
	}
	_, text, _ := strings.Cut(string(out), "_test.go:")
	return strings.TrimSpace(text[:min(len(text), 300)])
}
