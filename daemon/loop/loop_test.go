package loop

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// script is a machine whose behaviour is a function.
type script struct {
	step     func(machine.Now, machine.Event) machine.Effects
	deadline machine.Instant
}

func (s *script) Step(now machine.Now, ev machine.Event, out machine.Effects) machine.Effects {
	return append(out, s.step(now, ev)...)
}

func (s *script) Deadline() (machine.Instant, bool) { return s.deadline, s.deadline != 0 }

// diary collects what happened, from any goroutine.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) add(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

func (d *diary) take() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := strings.Join(d.lines, "; ")
	d.lines = nil
	return s
}

// want says what must have happened; with several, one of them, where two goroutines are free to choose.
func (d *diary) want(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	if got := d.take(); !slices.Contains(want, got) {
		t.Errorf("happened: %q\nwant:     %q", got, want)
	}
}

var peer = netip.MustParseAddrPort("10.0.0.2:848")

func send(text string, after machine.PersistID) machine.Send {
	return machine.Send{Remote: peer, Bytes: []byte(text), After: after}
}

// start runs a loop in the bubble and stops it at the end.
func start(t *testing.T, d *diary, cfg Config) (*Loop, context.CancelFunc) {
	t.Helper()
	cfg.Send = func(_, _ netip.AddrPort, b []byte) { d.add("send %s", b) }
	cfg.Note = func(_ machine.Now, n machine.Note) { d.add("note %s", n.Name) }
	if cfg.Clock == nil {
		origin := time.Now()
		cfg.Clock = newSystemClock(func() int64 { return int64(time.Since(origin)) })
	}
	l := New(cfg)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { l.Run(ctx); close(done) }()
	stop := func() { cancel(); <-done }
	t.Cleanup(stop)
	return l, stop
}

// command is an event of the tests: return these effects.
type command struct{ effects machine.Effects }

func (command) MachineEvent() {}

func echo(d *diary) *script {
	return &script{step: func(_ machine.Now, ev machine.Event) machine.Effects {
		switch ev := ev.(type) {
		case command:
			return ev.effects
		case machine.Persisted:
			d.add("persisted %d %v", ev.ID, ev.Err)
		case machine.Signed:
			d.add("signed %d %q %v", ev.ID, ev.Signature, ev.Err)
		case machine.Datagram:
			d.add("datagram %s", ev.Bytes)
		}
		return nil
	}}
}

func post(t *testing.T, l *Loop, effects ...machine.Effect) {
	t.Helper()
	if err := l.Post(t.Context(), command{effects}); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
}

// TestDurableFirst: what names a persist leaves after it succeeded, and never if it failed.
func TestDurableFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var (
			d    diary
			disk = make(chan error)
		)
		l, _ := start(t, &d, Config{Machine: echo(&d), Persist: func(rs []machine.Record) error {
			d.add("write %d", len(rs))
			return <-disk
		}})
		one := []machine.Record{{Bucket: "b", Key: "k"}}
		post(t, l, machine.Persist{ID: 1, Records: one}, send("early", 0), send("held", 1))
		d.want(t, "send early; write 1", "write 1; send early") // the store has a goroutine of its own
		post(t, l, send("also held", 1))
		d.want(t, "")
		disk <- nil
		d.want(t, "send held; send also held; persisted 1 <nil>")
		post(t, l, send("late", 1))
		d.want(t, "send late")

		post(t, l, machine.Persist{ID: 2, Records: one}, send("never", 2))
		disk <- errors.New("disk full")
		d.want(t, "write 1; persisted 2 disk full")
		post(t, l, send("never either", 2))
		d.want(t, "")
	})
}

// TestGroupCommit: what arrives while the disk is busy becomes one transaction, in order.
func TestGroupCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var (
			d, w diary // of the machine, of the disk
			disk = make(chan error)
		)
		l, _ := start(t, &d, Config{Machine: echo(&d), Persist: func(rs []machine.Record) error {
			var keys []string
			for _, r := range rs {
				keys = append(keys, r.Key)
			}
			w.add("write %s", strings.Join(keys, ","))
			return <-disk
		}})
		rec := func(k string) []machine.Record { return []machine.Record{{Bucket: "b", Key: k}} }
		post(t, l, machine.Persist{ID: 1, Records: rec("a")})
		post(t, l, machine.Persist{ID: 2, Records: rec("b")}, machine.Persist{ID: 3, Records: rec("c")})
		disk <- nil
		d.want(t, "persisted 1 <nil>")
		w.want(t, "write a; write b,c")
		disk <- nil
		d.want(t, "persisted 2 <nil>; persisted 3 <nil>")
	})
}

// TestFlushOnStop: the end waits for the disk, and what waited for it is sent.
func TestFlushOnStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var (
			d    diary
			disk = make(chan error)
		)
		l, stop := start(t, &d, Config{Machine: echo(&d), Persist: func([]machine.Record) error { return <-disk }})
		post(t, l, machine.Persist{ID: 1}, send("goodbye", 1))
		go func() { time.Sleep(time.Second); disk <- nil }()
		stop()
		d.want(t, "send goodbye")
		if err := l.Post(t.Context(), machine.Timeout{}); !errors.Is(err, ErrStopped) {
			t.Errorf("Post after the end: %v", err)
		}
		if err := l.Do(t.Context(), func(machine.Now) {}); !errors.Is(err, ErrStopped) {
			t.Errorf("Do after the end: %v", err)
		}
	})
}

func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		m := new(script)
		fired := 0
		m.step = func(now machine.Now, ev machine.Event) machine.Effects {
			if _, ok := ev.(machine.Timeout); ok {
				fired++
				d.add("%v", time.Duration(now.Mono))
				m.deadline = now.Mono.Add(time.Hour)
				if fired == 3 {
					m.deadline = 0
				}
			}
			return nil
		}
		m.deadline = math.MinInt64 // at once
		start(t, &d, Config{Machine: m})
		time.Sleep(24 * time.Hour)
		d.want(t, "0s; 1h0m0s; 2h0m0s")
	})
}

func TestSign(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		l, _ := start(t, &d, Config{Machine: echo(&d), SignTimeout: time.Minute, Sign: func(ctx context.Context, s machine.Sign) ([]byte, error) {
			switch s.Key {
			case "slow":
				time.Sleep(time.Second)
			case "deaf": // a token that does not look at its context
				time.Sleep(time.Hour)
			case "gone":
				return nil, errors.New("token removed")
			}
			return []byte(s.Key), nil
		}})
		post(t, l, machine.Sign{ID: 1, Key: "slow"}, machine.Sign{ID: 2, Key: "gone"}, machine.Sign{ID: 3, Key: "deaf"}, send("goes on", 0))
		if got := d.take(); !strings.Contains(got, "send goes on") || !strings.Contains(got, `signed 2 "" token removed`) {
			t.Errorf("at once: %q", got)
		}
		time.Sleep(2 * time.Second)
		d.want(t, `signed 1 "slow" <nil>`)
		time.Sleep(time.Minute)
		d.want(t, `signed 3 "" context deadline exceeded`)
		time.Sleep(time.Hour) // let the deaf one end
	})
}

func TestCommandAndDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		m := &script{step: func(_ machine.Now, ev machine.Event) machine.Effects {
			switch ev := ev.(type) {
			case gdoi.CmdRekey:
				if ev.Group != "blue" {
					return machine.Effects{gdoi.CommandResult{ID: ev.ID, Err: "no such group"}}
				}
				return machine.Effects{machine.Note{Name: "rekey"}, gdoi.CommandResult{ID: ev.ID, Text: "done"}}
			}
			return nil
		}}
		l, _ := start(t, &d, Config{Machine: m})
		rekey := func(group string) (string, error) {
			return l.Command(t.Context(), func(id uint64) machine.Event { return gdoi.CmdRekey{Group: group, ID: id} })
		}
		if text, err := rekey("blue"); text != "done" || err != nil {
			t.Errorf("%q %v", text, err)
		}
		if _, err := rekey("red"); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "no such group") {
			t.Errorf("%v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := l.Command(ctx, func(id uint64) machine.Event { return machine.Timeout{} })
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("unanswered: %v", err)
		}
		var mono machine.Instant
		if err := l.Do(t.Context(), func(now machine.Now) { mono = now.Mono }); err != nil || mono == 0 {
			t.Errorf("%v %v", mono, err)
		}
		d.want(t, "note rekey")
	})
}

// TestCommandThen: who looks because of an event of a command sees all that the command changes; a refused one changes
// nothing.
func TestCommandThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var (
			l    *Loop
			seen = make(chan int, 10)
			is   int // belongs to the loop's goroutine
		)
		m := &script{step: func(_ machine.Now, ev machine.Event) machine.Effects {
			c, ok := ev.(gdoi.CmdRekey)
			if !ok {
				return nil
			}
			out := machine.Effects{machine.Note{Name: "applied"}, gdoi.CommandResult{ID: c.ID, Text: "done"}}
			if c.Group != "blue" {
				out[1] = gdoi.CommandResult{ID: c.ID, Err: "no such group"}
			}
			return out
		}}
		l = New(Config{Machine: m, Note: func(machine.Now, machine.Note) {
			go func() { _ = l.Do(t.Context(), func(machine.Now) { seen <- is }) }()
			time.Sleep(time.Second) // what looks is waiting before the step goes on
		}})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { l.Run(ctx); close(done) }()
		for _, row := range []struct {
			group  string
			to, is int
		}{{"blue", 1, 1}, {"red", 2, 1}, {"blue", 3, 3}} {
			_, err := l.CommandThen(t.Context(), func(id uint64) machine.Event { return gdoi.CmdRekey{Group: row.group, ID: id} }, func() { is = row.to })
			if got := <-seen; got != row.is || (err == nil) != (row.group == "blue") {
				t.Errorf("%s: saw %d, want %d; %v", row.group, got, row.is, err)
			}
		}
		cancel()
		<-done
	})
}

func TestDatagramsAreCopied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		l, _ := start(t, &d, Config{Machine: echo(&d)})
		b := []byte("one")
		l.Deliver(peer, peer, b)
		copy(b, "two")
		l.Deliver(peer, peer, b)
		d.want(t, "datagram one; datagram two")
	})
}
