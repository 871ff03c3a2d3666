package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/lab/driver"
	"github.com/getvpn/getvpn/lab/scenario"
)

// command: actions succeed, or the last of them is refused while those before it succeed, and what the last one says contains a text,
// or is one.
type command struct {
	Do       actions `yaml:"do"`
	Fails    bool    `yaml:"fails"` // of the last, an operator's or a program's; contains: or equals: knows why
	Contains string  `yaml:"contains"`
	Equals   string  `yaml:"equals"` // without the space around it
}

func (c *command) Validate(s *scenario.Scenario) error {
	if len(c.Do) == 0 {
		return fmt.Errorf("do: lists what is done")
	}
	if last, _ := words(c.Do[len(c.Do)-1]); c.Fails && (len(last) == 0 || last[0] != "operator" && last[0] != "exec") {
		return fmt.Errorf("fails: the last action is one that somebody can refuse: operator, or exec")
	}
	if c.Fails && c.Contains == "" && c.Equals == "" {
		return fmt.Errorf("fails: anything may fail for another reason; say with contains: or equals: what it then says")
	}
	return c.Do.validate(s)
}

func (c *command) Run(ctx context.Context, env *Env) []scenario.Result {
	out, err := c.Do.run(ctx, env)
	if errors.Is(err, driver.ErrNoNetwork) {
		return failed(err)
	}
	r := scenario.Result{Value: "done", Want: "done"}
	said := strings.TrimSpace(out)
	if u := new(undone); errors.As(err, &u) {
		if r.Value = "refused"; u.at+1 < len(c.Do) || !refused(ctx, env, u) {
			r.Value = scenario.NotDone
		}
		why := u.err.Error()
		if x := new(driver.Exited); errors.As(err, &x) {
			why = x.Said
		}
		said = strings.TrimSpace(said + "\n" + why)
	}
	if c.Fails {
		r.Want = "refused"
	}
	if c.Contains != "" {
		r.Want += fmt.Sprintf(", saying %q", c.Contains)
	}
	if c.Equals != "" {
		r.Want += fmt.Sprintf(", saying %q and no more", c.Equals)
	}
	if text := cmp.Or(c.Equals, c.Contains); text != "" && !r.Unmeasured() {
		r.Value += ", saying " + quoted(said, text)
	}
	r.OK = !r.Unmeasured() && (err != nil) == c.Fails && strings.Contains(said, c.Contains) && (c.Equals == "" || said == c.Equals)
	r.Message = said
	if err != nil && !r.OK {
		r.Message = err.Error() // with the action
	}
	return []scenario.Result{r}
}

const mostQuoted = 80

// quoted is what the output says in place of a text: the line that has it, else the first that has its first word, as a counter of
// another value, else the last one.
func quoted(said, text string) string {
	if said == "" {
		return "nothing"
	}
	lines := strings.Split(said, "\n")
	line := lines[len(lines)-1]
	for _, part := range []string{text, strings.SplitN(strings.TrimSpace(text), " ", 2)[0]} {
		if i := slices.IndexFunc(lines, func(l string) bool { return strings.Contains(l, part) }); i >= 0 {
			line = lines[i]
			break
		}
	}
	short := []rune(strings.TrimSpace(line))
	if len(short) > mostQuoted {
		short = append(short[:mostQuoted], []rune(" ...")...)
	}
	return strconv.Quote(string(short))
}

// refused says that somebody has said no to an action: a daemon that answers, or a program that ran. A program that could not be run,
// or that a signal ended, and a daemon that is not there, have refused nothing.
func refused(ctx context.Context, env *Env, u *undone) bool {
	const cannotRun, notFound, engine = 126, 127, 125 // of shells and of container engines
	x := new(driver.Exited)
	if !errors.As(u.err, &x) || x.Status < 0 || slices.Contains([]int{cannotRun, notFound, engine}, x.Status) || ctx.Err() != nil {
		return false
	}
	w, err := words(u.text)
	if err != nil || w[0] != "operator" {
		return err == nil
	}
	const wrongUsage = 2
	_, err = env.snapshot(ctx, w[1])
	return err == nil && x.Status != wrongUsage
}

// eventSeen: a node's journal gets an event after the actions, or has had it since the lab began when there are none.
type eventSeen struct {
	Node     string        `yaml:"node"`
	Event    string        `yaml:"event"`
	Contains string        `yaml:"contains"` // in the text
	Reason   string        `yaml:"reason"`
	Do       actions       `yaml:"do"`
	Within   time.Duration `yaml:"within"`
}

func (c *eventSeen) Validate(s *scenario.Scenario) error {
	if c.Event == "" {
		return fmt.Errorf("event: is missing")
	}
	if err := hasDaemon(s, c.Node); err != nil {
		return err
	}
	return c.Do.validate(s)
}

func (c *eventSeen) Run(ctx context.Context, env *Env) []scenario.Result {
	since := uint64(0)
	if len(c.Do) > 0 {
		snap, err := env.snapshot(ctx, c.Node)
		if err != nil {
			return failed(err)
		}
		since = snap.LastSeq
		if _, err := c.Do.run(ctx, env); err != nil {
			return failed(err)
		}
	}
	start := env.now()
	want := fmt.Sprintf("event %s at %s within %s", c.Event, c.Node, c.Within)
	for {
		events, err := env.Lab.Control(c.Node).Events(ctx, since)
		for _, e := range events {
			if c.matches(&e) {
				return []scenario.Result{{
					OK: true, Value: fmt.Sprintf("event %s after %.1f s", e.Name, env.since(start).Seconds()), Want: want, Message: e.Text,
				}}
			}
		}
		if env.since(start) > c.Within || env.sleep(ctx, 100*time.Millisecond) != nil {
			r := scenario.Result{Value: "no such event", Want: want}
			if err != nil {
				r.Value, r.Message = scenario.NotMeasured, err.Error()
			}
			return []scenario.Result{r}
		}
	}
}

func (c *eventSeen) matches(e *control.Event) bool {
	return e.Name == c.Event && (c.Reason == "" || e.Reason == c.Reason) && strings.Contains(e.Text, c.Contains)
}
