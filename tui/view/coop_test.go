package view

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/lipgloss"
	"github.com/muesli/termenv"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/source"
	"github.com/getvpn/getvpn/tui/source/sourcetest"
	"github.com/getvpn/getvpn/tui/theme"
	"github.com/getvpn/getvpn/tui/widget"
)

var update = flag.Bool("update", false, "rewrite the golden texts")

func frame(t *testing.T, f *source.Fleet) *Frame {
	t.Helper()
	lipgloss.SetColorProfile(termenv.Ascii)
	th, err := theme.New("mono")
	if err != nil {
		t.Fatal(err)
	}
	return &Frame{Theme: th, Fleet: f, Width: 120, Height: 1000}
}

// drawn is a page as it is printed.
func drawn(v View, f *Frame) []string { return v.Page(f).Draw(f, &widget.Look{Still: true}) }

// TestShowCoop: the printed form has the lines that scripts for existing products read, to the letter.
func TestShowCoop(t *testing.T) {
	text := strings.Join(Coop{}.Print(frame(t, sourcetest.Split())), "\n") + "\n"
	const golden = "testdata/show-coop.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if text != string(want) {
		t.Errorf("it prints:\n%s", text)
	}
	for _, line := range []string{
		`Crypto Gdoi Group Name :\S+`, ` +Group handle: \d+, Local Key Server handle: \d+`, ` +Local Address: [\d.]+`, ` +Local Priority: \d+`,
		` +Local KS Role: (Primary|Secondary) +, Local KS Status: (Alive|Blocked)`, ` +Local KS version: \S+`, ` +Local COOP version: \S+`, ` +Primary Timers:`, ` +Primary Refresh Policy Time: \d+`,
		` +Remaining Time: \d+`, ` +Antireplay Sequence Number: \d+`, ` +Secondary Timers:`, ` +Sec Primary Periodic Time: \d+`, ` +Remaining Time: \d+, Retries: \d+`,
		` +Invalid ANN PST recvd: \d+`,
		` +New GM Temporary Blocking Enforced\?: (Yes|No)`, ` +Peer Sessions:`, ` +Session \d+:`, ` +Server handle: \d+`, ` +Peer Address: [\d.]+`, ` +Peer Version: \S+`,
		` +Peer COOP version: \S+`, ` +COOP Protocol: \w+`, ` +Peer Priority: \d+`, ` +Peer KS Role: (Primary|Secondary) +, Peer KS Status: (Alive|Dead|Unknown)`,
		` +IKE status: \w+`, ` +Counters:`, ` +Ann msgs sent: \d+`, ` +Ann msgs sent with reply request: \d+`, ` +Ann msgs recv: \d+`, ` +Ann msgs recv with reply request: \d+`,
		` +Packet Recv drops: \d+`, ` +Total bytes sent: \d+`, ` +Total bytes recv: \d+`,
	} {
		if !regexp.MustCompile(`(?m)^` + line + `$`).MatchString(text) {
			t.Errorf("no line %q", line)
		}
	}
	alone := strings.Join(Coop{}.Print(frame(t, sourcetest.Fleet())), "\n")
	if !strings.Contains(alone, "*NO* redundancy configured for this group") {
		t.Errorf("alone: %s", alone)
	}
	red := frame(t, sourcetest.Coop())
	red.Group = "red"
	if other := (Coop{}).Print(red); len(other) != 1 || !strings.Contains(other[0], "red") {
		t.Errorf("another group: %q", other)
	}
}

// TestCoopJSON: the keys are those of the parsers that others have written for the same command.
func TestCoopJSON(t *testing.T) {
	b, err := json.Marshal(Coop{}.Data(sourcetest.Split(), "blue"))
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Groups []struct {
			Role   string `json:"local_ks_role"`
			Second *struct {
				Blocked   string `json:"new_gm_temp_blk_enforced"`
				WrongTime uint64 `json:"invalid_ann_pst_recvd"`
			} `json:"secondary_timers"`
			Sessions []struct {
				Status   string `json:"peer_ks_status"`
				Counters struct {
					Sent uint64 `json:"ann_msgs_sent"`
				} `json:"counters"`
			} `json:"peer_sessions"`
			Coop control.Coop `json:"coop"`
		} `json:"groups"`
		Banners []Banner `json:"banners"`
	}
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Groups) != 3 || got.Groups[0].Role != "Primary" || got.Groups[0].Second != nil || got.Groups[1].Second.Blocked != "Yes" || got.Groups[1].Second.WrongTime != 4 ||
		got.Groups[1].Sessions[1].Status != "Dead" || got.Groups[1].Sessions[0].Counters.Sent != 226 || got.Groups[2].Coop.Term != 4 {
		t.Errorf("%s", b)
	}
	well, err := json.Marshal(Coop{}.Data(sourcetest.Coop(), "blue"))
	if err != nil || bytes.Contains(well, []byte(`"split_since"`)) || !bytes.Contains(b, []byte(`"split_since"`)) {
		t.Errorf("a split that is none begins: %v %s", err, well)
	}
	if len(got.Banners) != 3 || got.Banners[0].Kind != "split" || got.Banners[1].Kind != "policy" || len(got.Banners[1].Lines) != 2 || got.Banners[2].Kind != "blocked" {
		t.Errorf("%+v", got.Banners)
	}
}

// TestBanners: what is said of key servers that miss each other follows from what each of them says.
func TestBanners(t *testing.T) {
	coop := func(f *source.Fleet, node int) *control.Coop { return f.Nodes[node].Snap.KS.Groups[0].Coop }
	missThird := func(f *source.Fleet) {
		for i := range 2 {
			c := coop(f, i)
			c.Peers[1].Link, c.Unreachable = control.LinkSilent, []int{3}
		}
	}
	for _, row := range []struct {
		name   string
		change func(f *source.Fleet)
		kinds  string
		says   string
	}{
		{"all is well", func(f *source.Fleet) { coop(f, 2).Ready = true }, "", ""},
		{"one is dead", func(f *source.Fleet) {
			f.Nodes[2].Connected = false
			missThird(f)
		}, "out-of-reach", "ks3 (down)"},
		{"one hangs", func(f *source.Fleet) {
			f.Nodes[2].Seen = f.Time.Add(-6 * time.Second)
			missThird(f)
		}, "out-of-reach", "ks3 (hangs)"},
		{"one hangs, and others miss it", func(f *source.Fleet) {
			f.Nodes[2].Seen = f.Time.Add(-1600 * time.Millisecond)
			missThird(f)
		}, "out-of-reach", "ks3 (hangs)"},
		{"the console was held up", func(f *source.Fleet) {
			for i := range 3 {
				f.Nodes[i].Seen = f.Time.Add(-1600 * time.Millisecond)
			}
			coop(f, 2).Ready = true
		}, "", ""},
		{"a slow word, and nobody misses it", func(f *source.Fleet) {
			f.Nodes[2].Seen = f.Time.Add(-4 * time.Second)
			coop(f, 2).Ready = true
		}, "", ""},
		{"one was never seen", func(f *source.Fleet) {
			f.Nodes = append(f.Nodes[:2:2], f.Nodes[3:]...)
			for i := range 2 {
				c := coop(f, i)
				c.Peers[1].Link, c.Peers[1].Heard, c.Unreachable = control.LinkDown, -1, []int{3}
			}
		}, "out-of-reach", "ks 3 (dead, or cut off)"},
		{"one link of three", func(f *source.Fleet) {
			coop(f, 2).Ready = true
			coop(f, 1).Peers[1].Link, coop(f, 1).Unreachable = control.LinkSilent, []int{3}
			coop(f, 2).Peers[1].Link, coop(f, 2).Unreachable = control.LinkSilent, []int{2}
		}, "out-of-reach", "ks3, which runs, by ks2"},
		{"nobody is primary", func(f *source.Fleet) {
			for i := range 3 {
				c := coop(f, i)
				c.Role, c.Primary, c.Ready = control.RoleSecondary, 0, false
			}
		}, "no-primary", "told to wait"},
		{"two primaries meet", func(f *source.Fleet) { c := coop(f, 2); c.Role, c.Ready = control.RolePrimary, true }, "split", "2 PRIMARIES (ks1 ks3), which hear each other"},
		{"two primaries, and a filter between them", func(f *source.Fleet) {
			c := coop(f, 2)
			c.Role, c.Ready = control.RolePrimary, true
			coop(f, 0).Peers[1].Link, coop(f, 0).Unreachable = control.LinkSilent, []int{3}
			c.Peers[0].Link, c.Unreachable = control.LinkSilent, []int{1}
		}, "split out-of-reach", "2 PRIMARIES (ks1 ks3), not all of which hear each other"},
		{"two sides become one", func(f *source.Fleet) { coop(f, 2).Ready = true; coop(f, 0).Merging, coop(f, 0).MergeLeft = true, 40 }, "merge", "MERGE 00:40 left: members have the keys of both sides"},
		{"three ways", func(f *source.Fleet) {
			for i := range 3 {
				c := coop(f, i)
				c.Role, c.Ready, c.Split = control.RolePrimary, true, "continue"
				for k := range c.Peers {
					c.Peers[k].Link = control.LinkSilent
					c.Unreachable = append(c.Unreachable, c.Peers[k].ID)
				}
			}
		}, "split", "ks1 | ks2 | ks3; continue"},
	} {
		f := sourcetest.Coop()
		row.change(f)
		var kinds, texts []string
		for _, b := range banners(f.Cooperation("blue"), f) {
			kinds, texts = append(kinds, b.Kind), append(texts, b.Text)
		}
		if got := strings.Join(kinds, " "); got != row.kinds || !strings.Contains(strings.Join(texts, "\n"), row.says) {
			t.Errorf("%s: %s\n%s", row.name, got, strings.Join(texts, "\n"))
		}
		_ = drawn(Coop{}, frame(t, f))
	}
}

// TestCommandsGoToThePrimary: of several key servers the primary is asked.
func TestCommandsGoToThePrimary(t *testing.T) {
	f := sourcetest.Coop()
	if n, _ := f.KSOf("blue"); n.Name != "ks1" {
		t.Errorf("%s", n.Name)
	}
	f.Nodes[0].Connected = false
	if n, _ := f.KSOf("blue"); n.Name != "ks2" {
		t.Errorf("with the primary down: %s", n.Name)
	}
	if n, _ := sourcetest.Split().KSOf("blue"); n.Name != "ks3" {
		t.Errorf("of two primaries: %s, not that of the latest term", n.Name)
	}
}

// TestLongDifference: two policies that have little in common leave room for the key servers, and are printed in full.
func TestLongDifference(t *testing.T) {
	f := sourcetest.Split()
	c := f.Nodes[1].Snap.KS.Groups[0].Coop
	for len(c.Diff) < 200 {
		c.Diff = append(c.Diff, fmt.Sprintf("+ permit ip 10.%d.0.0/16 10.1.0.0/16", len(c.Diff)))
	}
	fr := frame(t, f)
	fr.Width, fr.Height = 60, 16
	screen := strings.Join(drawn(Coop{}, fr), "\n")
	for _, want := range []string{"\n ks1 ", "\n ks2 ", "\n ks3 ", "- permit ip 10.1.0.0/16 10.1.0.0/16", "and 197 more; getvpn-tui show coop blue"} {
		if !strings.Contains(screen, want) {
			t.Errorf("no %q on the screen:\n%s", want, screen)
		}
	}
	if printed := strings.Join(Coop{}.Print(fr), "\n"); strings.Count(printed, "\n!   ") != 200 {
		t.Errorf("printed:\n%s", printed)
	}
}
