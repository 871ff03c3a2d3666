package scenario

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// A scenario says how what it teaches is broken on purpose, and which of its checks must notice: a check that cannot fail proves
// nothing when it passes.
//
//	sabotage:
//	  text: Members send in clear when they have no key.     what is broken, in one sentence
//	  set: {fail: open}                       variables, laid over those of the profile and below those of --set
//	  measure: {refused: 6s}                  variables that break nothing: how long, and how often, its results are measured
//	  do: [exec p1 ...]                       actions once all members have registered, before the first step
//	  profile: quick                          the profile of who names none
//	  only: [fail-closed]                     names of steps that the run goes through; default: all up to the last that fails: names
//	  fails: [fail-closed, core-only-esp]     results that must fail, each of them measured
//
// With --control nothing is broken, and the same steps with the same measure: must pass: else it is not what is broken that they notice.
// It is not inherited through base:. What a variable of set: breaks, the scenario's text says with ${fail}.
const keySabotage = "sabotage"

// NotMeasured is the value of a check that could not measure, and so has caught nothing.
const NotMeasured = "not measured"

// NotDone is the value of a check that could not do what it wanted to measure the effect of, which is no better.
const NotDone = "not done"

// Unmeasured says that a result caught nothing, because its check could not measure, or not do what it measures the effect of.
func (r Result) Unmeasured() bool { return r.Value == NotMeasured || r.Value == NotDone }

// ActionFailed is the value of the result of an action, which gives one when it failed or was skipped.
const ActionFailed = "failed"

// Sabotage is how a scenario breaks on purpose what it teaches.
type Sabotage struct {
	Text    string            `yaml:"text"`    // what is broken, in one sentence
	Set     map[string]string `yaml:"set"`     // variables, laid over those of the profile and below those of --set
	Measure map[string]string `yaml:"measure"` // variables that break nothing: how long, and how often, its results are measured
	Do      []string          `yaml:"do"`      // actions once all members have registered, before the first step
	Profile string            `yaml:"profile"` // the profile of who names none
	Only    []string          `yaml:"only"`    // names of steps that the run goes through; default: all up to the last that fails: names
	Fails   []string          `yaml:"fails"`   // names of results that must fail, each of them measured
	At      Pos               `yaml:"-"`
}

// UnmarshalYAML decodes the section.
func (b *Sabotage) UnmarshalYAML(n *yaml.Node) error {
	type plain Sabotage
	if err := strictAt(n, (*plain)(b), &b.At); err != nil {
		return err
	}
	b.Text = strings.TrimSpace(b.Text)
	return nil
}

// sabotage reads as much of the section as variables need. Whether the values are used or not, their names must be right.
func sabotage(file string, root *yaml.Node, opt Options, profiles map[string]map[string]string) (*Sabotage, error) {
	n := value(root, keySabotage)
	if n == nil {
		if opt.Sabotage {
			return nil, &Error{file, Pos{}, "the scenario has no sabotage: section, which says how what it teaches is broken on purpose and which checks must notice"}
		}
		return &Sabotage{}, nil
	}
	var b Sabotage
	if err := strict(n, &b); err != nil {
		return nil, located(file, err)
	}
	if _, ok := profiles[b.Profile]; !ok && b.Profile != "" {
		return nil, &Error{file, posOf(value(n, "profile")), fmt.Sprintf("sabotage: there is no profile %q", b.Profile)}
	}
	return &b, nil
}

func (s *Scenario) validateSabotage(bad func(at Pos, format string, args ...any)) {
	b := s.Sabotage
	if b == nil {
		return
	}
	if b.Text == "" {
		bad(b.At, "sabotage: text: is missing; it says in one sentence what is broken")
	}
	if len(b.Set) == 0 && len(b.Do) == 0 {
		bad(b.At, "sabotage: breaks nothing; it wants set: or do:")
	}
	if len(b.Fails) == 0 {
		bad(b.At, "sabotage: fails: is missing; it names the results that must notice")
	}
	if len(s.Tasks) > 0 {
		bad(b.At, "sabotage: an exercise breaks things with faults:, and its tasks notice")
	}
}

// Verdict is what the checks have made of a sabotage.
type Verdict struct {
	Text  string  `json:"text"` // what was broken
	Fails []Catch `json:"fails"`
}

// Catch is one result that must fail.
type Catch struct {
	Name    string `json:"name"`
	Caught  bool   `json:"caught"`
	Skipped bool   `json:"skipped,omitempty"` // by a driver that cannot measure it
	Value   string `json:"value"`             // what was measured
	Why     string `json:"why,omitempty"`     // it is not caught
}

// Judge says which of the results that must fail have done so. Of several results of one name, one that failed is enough. What passed
// behind an action that the driver has skipped may have lacked just that: it counts as skipped.
func (b *Sabotage) Judge(results []Result) *Verdict {
	v := &Verdict{Text: b.Text, Fails: []Catch{}}
	for _, name := range b.Fails {
		c := Catch{Name: name, Why: "there is no result of this name"}
		undone := ""
		for _, r := range results {
			if r.Skipped && r.Value == ActionFailed && undone == "" {
				undone = r.Name
			}
			if r.Name != name || c.Caught {
				continue
			}
			switch c.Value, c.Skipped = r.Value, r.Skipped; {
			case r.Skipped:
				c.Value, c.Why = "skipped", r.Message
			case r.OK && undone != "":
				c.Skipped, c.Value, c.Why = true, "skipped", "it passed, but this was not done, of which it may be a consequence: "+undone
			case r.OK:
				c.Why = "it passed"
			case r.Unmeasured():
				c.Why = "it could not measure: " + r.Message
			default:
				c.Caught, c.Why = true, ""
			}
		}
		v.Fails = append(v.Fails, c)
	}
	return v
}

// OK says whether all was caught that could be measured.
func (v *Verdict) OK() bool {
	return !v.Unseen() && !slices.ContainsFunc(v.Fails, func(c Catch) bool { return !c.Caught && !c.Skipped })
}

// Unseen says that nothing that must notice could be measured.
func (v *Verdict) Unseen() bool {
	return !slices.ContainsFunc(v.Fails, func(c Catch) bool { return !c.Skipped })
}

// String tells it, a line for each result.
func (v *Verdict) String() string {
	out := "sabotage: " + v.Text
	for _, c := range v.Fails {
		word, why := "caught", ""
		if c.Skipped {
			word, why = "skip  ", "  ("+c.Why+")"
		} else if !c.Caught {
			word, why = "MISSED", "  ("+c.Why+")"
		}
		out += fmt.Sprintf("\n%s  %-26s %s%s", word, c.Name, c.Value, why)
	}
	return out
}
