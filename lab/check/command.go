package check

import (
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

// command: actions succeed, or the last of them is refused, and what they print contains a text.
type command struct {
	Do       actions `yaml:"do"`
	Fails    bool    `yaml:"fails"`
	Contains string  `yaml:"contains"`
}

func (c *command) Validate(s *scenario.Scenario) error {
	if len(c.Do) == 0 {
		return fmt.Errorf("do: lists what is done")
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
	if err != nil {
		r.Value, said = "refused", said+err.Error()
	}
	if c.Fails {
		r.Want = "refused"
	}
	if c.Contains != "" {
		r.Want += fmt.Sprintf(", saying %q", c.Contains)
		r.Value += ", saying " + quoted(said, c.Contains)
	}
	r.OK = (err != nil) == c.Fails && strings.Contains(said, c.Contains)
	r.Message = said
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
				r.Message = err.Error()
			}
			return []scenario.Result{r}
		}
	}
}

func (c *eventSeen) matches(e *control.Event) bool {
	return e.Name == c.Event && (c.Reason == "" || e.Reason == c.Reason) && strings.Contains(e.Text, c.Contains)
}
