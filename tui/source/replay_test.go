package source

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/daemon/control/record"
)

var noon = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

// story is a recording in which daemons come, count packets, fall silent, restart and say things, by chance.
func story(t testing.TB, seed uint64, seconds, nodes int) *record.Recording {
	t.Helper()
	var b bytes.Buffer
	w, err := record.NewWriter(&b, record.Header{Title: "lab story", Lab: "story", Started: noon}, record.Options{})
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(seed, 7))
	put := func(f record.Frame) {
		if err := w.Write(f); err != nil {
			t.Fatal(err)
		}
	}
	pid, packets, seq := make([]int, nodes), make([]uint64, nodes), make([]uint64, nodes)
	for s := range seconds {
		at := noon.Add(time.Duration(s) * time.Second)
		if s%97 == 0 {
			put(record.Frame{At: at, Lab: json.RawMessage(fmt.Sprintf(`{"scenario":"story","nodes":[{"name":"n%d","kind":"gm"}]}`, s))})
			put(record.Frame{At: at, Course: json.RawMessage(fmt.Sprintf(`{"title":"part %d"}`, s))})
		}
		for n := range nodes {
			at, name := at.Add(time.Duration(n)*time.Millisecond), fmt.Sprintf("gm%d", n)
			snap := &control.Snapshot{Name: name, Role: control.RoleGroupMember, PID: pid[n], Time: at, GM: &control.GroupMember{}}
			if n == 0 {
				name = "ks1"
				snap = &control.Snapshot{Name: name, Role: control.RoleKeyServer, Time: at, KS: &control.KeyServer{Sessions: s}}
			} else {
				packets[n] += rnd.Uint64N(1000)
				snap.GM.DataPath.InPackets, snap.GM.DataPath.OutPackets = packets[n], packets[n]*2
			}
			switch rnd.IntN(40) {
			case 0:
				pid[n], packets[n] = pid[n]+1, 0
				put(record.Frame{At: at, Node: name, Gone: fmt.Sprintf("not running since %d", s)})
				continue
			case 1, 2:
				seq[n]++
				put(record.Frame{At: at, Node: name, Watch: &control.Watch{Event: &control.Event{
					Seq: seq[n], Time: at.Add(-time.Duration(rnd.IntN(3)) * time.Second), Name: []string{"registered", "rekey-sent", "lost"}[rnd.IntN(3)],
					Severity: []string{"info", "warning", "error"}[rnd.IntN(3)], Text: fmt.Sprint("word ", seq[n])}}})
			case 3: // twice in one moment, which gives no rate
				put(record.Frame{At: at, Node: name, Watch: &control.Watch{Snapshot: snap}})
			}
			put(record.Frame{At: at, Node: name, Watch: &control.Watch{Snapshot: snap}})
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	rec, err := record.Read(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

// same compares two fleets.
func same(t *testing.T, what string, got, want *Fleet) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		for i := range want.Nodes {
			if i >= len(got.Nodes) || !reflect.DeepEqual(got.Nodes[i], want.Nodes[i]) {
				t.Errorf("%s: node %s differs:\n%+v\n%+v", what, want.Nodes[i].Name, got.Nodes[i], want.Nodes[i])
			}
		}
		t.Fatalf("%s: %d nodes, %d events, want %d and %d; lab %v %v", what, len(got.Nodes), len(got.Events), len(want.Nodes), len(want.Events), got.State, want.State)
	}
}

// TestAnyWayThere: what is shown after a frame is what hearing all frames before it one by one comes to, however the replay went there.
func TestAnyWayThere(t *testing.T) {
	seeds := uint64(2)
	if testing.Short() { // the race detector makes it ten times slower
		seeds = 1
	}
	for seed := range seeds {
		rec := story(t, seed, 450, 4)
		rnd := rand.New(rand.NewPCG(seed, 3))
		told := map[int]*Fleet{} // by hearing everything
		want := []int{0, 1, 2, rec.Len() - 1, rec.Len()}
		for range 25 {
			want = append(want, rnd.IntN(rec.Len()+1))
		}
		slow := newPast(rec)
		nodes := make([]Node, len(rec.Nodes()))
		var lab *LabState
		var course *Course
		for i := range rec.Len() + 1 {
			for _, w := range want {
				if w != i {
					continue
				}
				f := &Fleet{Title: "lab story", Lab: "story", State: lab, Course: course, Events: NewReplay(rec).eventsUntil(i)}
				for _, n := range nodes {
					if n.Name != "" {
						f.Nodes = append(f.Nodes, n)
					}
				}
				sortNodes(f.Nodes)
				told[i] = f
			}
			if i == rec.Len() {
				break
			}
			fr, err := rec.Frame(i)
			if err != nil {
				t.Fatal(err)
			}
			switch rec.Kind(i) {
			case record.Lab:
				lab, _ = ParseLab(fr.Lab)
			case record.Course:
				course, _ = ParseCourse(fr.Course)
			default:
				slow.tell(&nodes[rec.Node(i)], i)
			}
		}
		there := NewReplay(rec)
		for round := range 2 {
			rnd.Shuffle(len(want), func(i, k int) { want[i], want[k] = want[k], want[i] })
			for _, i := range want {
				same(t, fmt.Sprintf("seed %d, jump to frame %d", seed, i), there.Fleet(Moment{Frame: i}), told[i])
				if round == 0 {
					same(t, fmt.Sprintf("seed %d, first look at frame %d", seed, i), NewReplay(rec).Fleet(Moment{Frame: i}), told[i])
				}
			}
		}
		back := NewReplay(rec)
		for i := rec.Len(); i >= 0; i-- { // step by step backwards
			if back.past.at(i); told[i] != nil {
				same(t, fmt.Sprintf("seed %d, back to frame %d", seed, i), back.Fleet(Moment{Frame: i}), told[i])
			}
		}
	}
}

// TestKeptStatesAreBounded: states that are kept for going back are dropped when they are too many.
func TestKeptStatesAreBounded(t *testing.T) {
	p := newPast(story(t, 1, 700, 4))
	for i := 0; i <= p.rec.Len(); i += stillEvery {
		p.at(i)
	}
	kept, cost := len(p.stills), p.stills[len(p.stills)-1].cost
	if kept < 8 || cost < 500 {
		t.Fatalf("%d states kept, the last stands for %d octets", kept, cost)
	}
	for _, s := range p.stills {
		s.cost = stillBytes / 4
	}
	for _, i := range []int{300, 1, 700} {
		p.last = nil
		p.stills = p.stills[1:]
		p.at(i)
	}
	if len(p.stills) >= kept {
		t.Errorf("%d states are kept, of which five are too many", len(p.stills))
	}
}

// TestPlay: time goes on as fast as it was told to, stands, jumps and ends.
func TestPlay(t *testing.T) {
	rec := story(t, 5, 100, 3)
	r := NewReplay(rec)
	wall := time.Unix(1e9, 0)
	r.clock = func() time.Time { return wall }
	at := func(what string, want time.Duration, playing bool) {
		t.Helper()
		p := r.Position()
		if d := p.Time.Sub(noon); d != want || p.Playing != playing || p.Frame != rec.Until(p.Time) {
			t.Errorf("%s: at %v, want %v; playing %v; frame %d of %d", what, d, want, p.Playing, p.Frame, rec.Until(p.Time))
		}
	}
	at("before", 0, false)
	r.Pause(false)
	wall = wall.Add(3 * time.Second)
	at("3 s", 3*time.Second, true)
	r.Speed(10)
	wall = wall.Add(2 * time.Second)
	at("2 s ten times as fast", 23*time.Second, true)
	r.Pause(true)
	wall = wall.Add(time.Hour)
	at("standing", 23*time.Second, false)
	r.Speed(0.5)
	r.Pause(false)
	wall = wall.Add(4 * time.Second)
	at("half as fast", 25*time.Second, true)
	r.Seek(noon.Add(90 * time.Second))
	at("a jump goes on playing", 90*time.Second, true)
	r.Skip(-30 * time.Second)
	at("back", 60*time.Second, true)
	wall = wall.Add(time.Hour)
	at("the end", rec.End().Sub(noon), false)
	if f, ok := r.Next(t.Context()); !ok || !f.Time.Equal(rec.End()) {
		t.Errorf("Next gives %v", f.Time)
	}
	r.Pause(false)
	at("once more", 0, true)
	r.Seek(noon.Add(-time.Hour))
	at("before its start", 0, true)
	r.Seek(rec.End().Add(time.Hour))
	if p := r.Position(); !p.Time.Equal(rec.End()) || p.Frame != rec.Len() {
		t.Errorf("after its end: %+v", p)
	}
	r.Step(-3)
	if p := r.Position(); p.Frame != rec.Len()-3 || !p.Time.Equal(rec.At(rec.Len()-4)) || p.Playing {
		t.Errorf("three frames back: %+v", p)
	}
	r.Step(-1 << 30)
	at("all back", 0, false)
	ctx, cancel := context.WithCancel(t.Context())
	if f, ok := r.Next(ctx); !ok || !f.Time.Equal(noon) {
		t.Error("Next does not see that it went back")
	}
	cancel()
	if _, ok := r.Next(ctx); ok {
		t.Error("there is always something new, though it stands")
	}
}

// TestStepEvent: events are found by what they are, forwards and backwards, and the replay stands where they are told.
func TestStepEvent(t *testing.T) {
	rec := story(t, 9, 300, 3)
	r := NewReplay(rec)
	for _, want := range []Seeks{{}, {Least: record.Warning}, {Name: "lost"}, {Fits: func(e *control.Event) bool { return strings.HasSuffix(e.Text, "3") }}} {
		var fwd, back []int
		r.Seek(noon)
		for r.StepEvent(1, want) {
			p := r.Position()
			e := rec.Event(p.Event - 1)
			if e.Frame != p.Frame-1 || e.Severity < want.Least || want.Name != "" && e.Name != want.Name {
				t.Fatalf("%+v stands at %+v, on %+v", want, p, e)
			}
			fwd = append(fwd, p.Frame)
		}
		r.Seek(rec.End())
		for r.StepEvent(-1, want) {
			back = append([]int{r.Position().Frame}, back...)
		}
		if len(fwd) < 3 || !reflect.DeepEqual(fwd, back) {
			t.Errorf("%+v: forwards %v, backwards %v", want, fwd, back)
		}
	}
	e := r.Fleet(Moment{Frame: rec.Len()}).Events[5]
	r.SeekEvent(e)
	if f := r.Fleet(r.Position().Moment); !reflect.DeepEqual(f.Events[len(f.Events)-1].Text, e.Text) && r.Position().Event == 0 {
		t.Errorf("stands after %+v, not %+v", f.Events[len(f.Events)-1], e)
	}
	marks := r.Marks(10)
	worst := record.Debug
	for i := range rec.Events() {
		worst = max(worst, rec.Event(i).Severity)
	}
	if len(marks) != 10 || marks[3] == 0 || worst != record.Failure {
		t.Errorf("marks %v", marks)
	}
}

func TestParseMoment(t *testing.T) {
	start := time.Date(2026, 11, 29, 23, 50, 0, 500, time.Local)
	end := start.Add(30 * time.Minute)
	day := func(d, h, m, s int) time.Time { return time.Date(2026, 11, d, h, m, s, 0, time.Local) }
	for text, want := range map[string]time.Time{
		"start": start, "end": end, "+5m": start.Add(5 * time.Minute), "-30s": end.Add(-30 * time.Second), "23:51:02": day(29, 23, 51, 2), "23:50": day(29, 23, 50, 0),
		"00:05:00": day(30, 0, 5, 0), "2026-11-30 00:10:00": day(30, 0, 10, 0), start.Format(time.RFC3339): start.Truncate(time.Second),
	} {
		if got, err := ParseMoment(text, start, end); err != nil || !got.Equal(want) {
			t.Errorf("%s is %v, want %v (%v)", text, got, want, err)
		}
	}
	for _, text := range []string{"", "5m", "+x", "25:00", "yesterday", "12:03:17x"} {
		if got, err := ParseMoment(text, start, end); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}

// TestRecordAndReplay: what a Source shows live is what the replay of its recording shows at the same moment: with a daemon that was there
// before, one that comes, one that goes and comes back with another process.
func TestRecordAndReplay(t *testing.T) {
	for _, name := range []string{"a.rec", "a.rec.gz"} {
		dir := t.TempDir()
		stop := daemon(t, filepath.Join(dir, "gm1.sock"), 1)
		s := Dir(dir)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { s.Run(ctx); close(done) }()
		await(t, s, "the daemon", func(f *Fleet) bool { return len(f.Nodes) == 1 && f.Nodes[0].Connected && len(f.Events) == 2 })
		path := filepath.Join(t.TempDir(), name)
		tape, err := s.Record(path, record.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Record(path+"2", record.Options{}); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("a second recording: %v", err)
		}
		var live []*Fleet
		live = append(live, s.Fleet())
		stop2 := daemon(t, filepath.Join(dir, "gm2.sock"), 5)
		live = append(live, await(t, s, "a new daemon", func(f *Fleet) bool { return len(f.Nodes) == 2 && f.Nodes[1].Connected && len(f.Events) == 4 }))
		stop()
		live = append(live, await(t, s, "a lost one", func(f *Fleet) bool { return !f.Nodes[0].Connected && f.Nodes[0].Problem == "not running (no socket)" }))
		stop = daemon(t, filepath.Join(dir, "gm1.sock"), 2)
		live = append(live, await(t, s, "it is back", func(f *Fleet) bool { return f.Nodes[0].Connected && len(f.Events) == 6 }))
		if err := tape.Stop(); err != nil {
			t.Fatal(err)
		}
		cancel()
		<-done
		stop()
		stop2()
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Error(info, err)
		}
		rec, err := record.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if st, nodes := tape.Stats(); st.Frames != rec.Len() || nodes != 2 || len(rec.Notes()) > 0 || rec.Title != dir {
			t.Errorf("%+v of %d daemons, read %d, %q", st, nodes, rec.Len(), rec.Notes())
		}
		r := NewReplay(rec)
		for k := range live {
			k = len(live) - 1 - k
			got, want := r.At(live[k].Time), live[k]
			if k == 3 { // it was seen after the last frame
				got = r.Fleet(Moment{rec.Len(), want.Time})
			}
			compareLive(t, fmt.Sprintf("%s, look %d", name, k), got, want)
		}
		_ = rec.Close()
	}
}

// compareLive compares what a replay can know: not the sockets, nor what this user may do; and times as JSON keeps them.
func compareLive(t *testing.T, what string, got, want *Fleet) {
	t.Helper()
	a, b := *got, *want
	strip := func(f *Fleet) string {
		f.Nodes = append([]Node{}, f.Nodes...)
		for i := range f.Nodes {
			n := &f.Nodes[i]
			n.Socket, n.Operator, n.Seen = "", false, time.Time{}
		}
		f.Time = time.Time{}
		text, err := json.MarshalIndent(f, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if x, y := strip(&a), strip(&b); x != y {
		t.Errorf("%s: replay\n%s\nlive\n%s", what, x, y)
	}
	for i := range want.Nodes { // the first words of those that were there are as old as the recording
		if d := got.Nodes[i].Seen.Sub(want.Nodes[i].Seen); d.Abs() > 2*time.Second && got.Nodes[i].Connected {
			t.Errorf("%s: %s seen at %v, live %v", what, want.Nodes[i].Name, got.Nodes[i].Seen, want.Nodes[i].Seen)
		}
	}
}
