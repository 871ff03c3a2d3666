package check

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/getvpn/getvpn/lab/scenario"
)

// throughout: traffic runs both ways between the pairs while the scenario goes through steps of its own. Nothing is lost
// from the first step to the last, but what apart: allows.
type throughout struct {
	Pairs Pairs           `yaml:"pairs"`
	Rate  int             `yaml:"rate"`
	Steps []scenario.Step `yaml:"steps"`
	After time.Duration   `yaml:"after"` // of traffic when the last step is done
	Apart *apart          `yaml:"apart"`
}

// apart is when sides may lose what they send to each other, by the names of steps: from the beginning of the one to the
// end of the other. Whatever stays on its side is lost never.
type apart struct {
	Sides [][]string `yaml:"sides"` // hosts; all others are the last side
	From  string     `yaml:"from"`
	Until string     `yaml:"until"`
	// None allows no loss at all, and says what there was.
	None bool `yaml:"none"`
}

// side is the number of the side of a host.
func (a *apart) side(host string) int {
	if i := slices.IndexFunc(a.Sides, func(s []string) bool { return slices.Contains(s, host) }); i >= 0 {
		return i
	}
	return len(a.Sides)
}

// betweenSides is what the result about the traffic between sides is called.
const betweenSides = "between-the-sides"

// slack is for packets that were under way when the sides were parted.
const slack = 250 * time.Millisecond

func init() { // what holds steps is made of all the other kinds
	kinds["throughout"] = func() Check { return &throughout{Pairs: Pairs{Neighbours: true}, Rate: 100, After: time.Second} }
}

func (c *throughout) Validate(s *scenario.Scenario) error {
	if c.Rate < 1 || c.Rate > 10000 {
		return fmt.Errorf("rate %d is outside 1..10000", c.Rate)
	}
	if len(c.Steps) == 0 {
		return fmt.Errorf("steps: lists what happens under the traffic")
	}
	if err := c.Pairs.validate(s); err != nil {
		return err
	}
	if a := c.Apart; a != nil {
		if len(a.Sides) == 0 {
			return fmt.Errorf("apart: sides: lists the hosts of each side but the last, as in [[h1, h2]]")
		}
		if err := exist(s, slices.Concat(a.Sides...)...); err != nil {
			return fmt.Errorf("apart: %w", err)
		}
		from, until := c.index(a.From), c.index(a.Until)
		if from < 0 || until < from {
			return fmt.Errorf("apart: from: and until: name two of the steps, in their order; there are no %q and %q", a.From, a.Until)
		}
	}
	return validate(s, c.Steps)
}

func (c *throughout) index(name string) int {
	return slices.IndexFunc(c.Steps, func(st scenario.Step) bool { return name != "" && st.Name == name })
}

// span is when a step began and ended, and what members dropped from there to the end of the next check.
type span struct {
	from, to time.Duration
	dropped  string
}

func (c *throughout) Run(ctx context.Context, env *Env) []scenario.Result {
	before := env.Capture.Totals()
	t, err := StartTraffic(ctx, env, bothWays(env, c.Pairs.of(env.Scenario)), c.Rate)
	if err != nil {
		return failed(err)
	}
	defer t.Stop()
	if err := env.sleep(ctx, time.Second); err != nil {
		return failed(err)
	}
	var out []scenario.Result
	spans, done := make([]span, len(c.Steps)), len(c.Steps)
	members := membersOf(env.Scenario, nil)
	seen, marked := env.discarded(ctx, members), 0
	mark := func(end int) {
		now := env.discarded(ctx, members)
		text := now.since(seen)
		for i := marked; i < end; i++ {
			spans[i].dropped = text
		}
		seen, marked = now, end
	}
	for i := range c.Steps {
		spans[i].from = t.Since()
		results := step(ctx, env, &c.Steps[i])
		spans[i].to = t.Since()
		for _, r := range results {
			if r.Failed() {
				env.Log("%s", r)
			}
		}
		out = append(out, results...)
		if ctx.Err() != nil {
			return out
		}
		if c.Steps[i].Do == "" && i+1 < len(c.Steps) {
			mark(i + 1) // not behind what is done: checks measure how soon it works
		}
		if caught(env.Scenario, c.Steps, out) {
			done = i + 1
			break
		}
	}
	_ = env.sleep(ctx, c.After)
	took := t.Since()
	for i := done; i < len(spans); i++ {
		spans[i] = span{from: took, to: took}
	}
	mark(len(spans))
	t.Stop()
	offences := env.Capture.Totals().Minus(before).Offences()
	return append(out, c.judge(t.Flows, spans, took, offences, env.Capture.Offences())...)
}

// judge says what was lost.
func (c *throughout) judge(flows []*Flow, spans []span, took time.Duration, offences uint64, seen string) []scenario.Result {
	var within, between []*Flow
	for _, f := range flows {
		if c.Apart != nil && c.Apart.side(f.From) != c.Apart.side(f.To) {
			between = append(between, f)
		} else {
			within = append(within, f)
		}
	}
	sent, lost, duplicates, where := losses(within, 0, forever)
	r := scenario.Result{
		Value: fmt.Sprintf("%d lost of %d packets (%d flows at %d/s for %.0f s), %d twice, %d clear", lost, sent, len(within), c.Rate, took.Seconds(),
			duplicates, offences),
		Want: "0 lost, 0 twice, 0 clear", Message: where, Seconds: took.Seconds(),
	}
	r.Message = strings.TrimPrefix(r.Message+c.during(within, spans, 0, forever), "; ")
	if offences > 0 {
		r.Message = strings.TrimPrefix(r.Message+"; "+seen, "; ")
	}
	r.OK = lost == 0 && duplicates == 0 && offences == 0 && sent > 0
	if len(between) == 0 {
		return []scenario.Result{r}
	}
	return []scenario.Result{r, c.betweenSides(between, spans)}
}

// during names the steps in which packets were sent that were lost, and what members dropped then.
func (c *throughout) during(flows []*Flow, spans []span, from, until time.Duration) string {
	text := ""
	for i, s := range spans {
		to := forever
		if i+1 < len(spans) {
			to = spans[i+1].from
		}
		if _, lost, _, _ := losses(flows, max(s.from, from), min(to, until)); lost > 0 {
			text += fmt.Sprintf("; %d in %s", lost, cmp.Or(c.Steps[i].Name, c.Steps[i].Do))
			if s.dropped != "" {
				text += " (dropped then: " + s.dropped + ")"
			}
		}
	}
	return text
}

// betweenSides judges the flows from one side to the other.
func (c *throughout) betweenSides(flows []*Flow, spans []span) scenario.Result {
	from, until := spans[c.index(c.Apart.From)].from-slack, spans[c.index(c.Apart.Until)].to
	sent, lost, duplicates, _ := losses(flows, from, until)
	_, early, _, whereEarly := losses(flows, 0, from)
	_, late, _, whereLate := losses(flows, until, forever)
	first, last := forever, time.Duration(0)
	for _, f := range flows {
		if l := f.Between(from, until); l.Lost > 0 {
			first, last = min(first, l.First), max(last, l.Last)
		}
	}
	when := ""
	if lost > 0 {
		when = fmt.Sprintf(", the first %.1f s after the beginning of %s and the last %.1f s before the end of %s", (first - from - slack).Seconds(),
			c.Apart.From, (until - last).Seconds(), c.Apart.Until)
	}
	want := "0 lost before and after, 0 twice"
	if c.Apart.None {
		want = "0 lost, 0 twice"
	}
	return scenario.Result{
		Name: betweenSides, OK: early == 0 && late == 0 && duplicates == 0 && sent > 0 && (lost == 0 || !c.Apart.None),
		Value: fmt.Sprintf("%d lost of %d packets in the %.1f s from %s to %s%s; %d lost before, %d after", lost, sent, (until - from).Seconds(), c.Apart.From,
			c.Apart.Until, when, early, late),
		Want: want, Message: strings.Trim(whereEarly+"; "+whereLate+c.during(flows, spans, 0, from)+c.during(flows, spans, until, forever), "; "),
	}
}
