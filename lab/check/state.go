package check

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/getvpn/getvpn/lab/scenario"
)

// state: a value in the snapshot of a node's daemon comes to be what it should be. The path is that of the JSON, with a
// list's entry chosen by number or by a field, and count for the number of entries:
//
//	gm.groups[name=blue].state        ks.groups[0].members.count        ks.groups[name=red].members[identity=10.0.0.1].state
type state struct {
	Node    string        `yaml:"node"`
	Path    string        `yaml:"path"`
	Equals  string        `yaml:"equals"`
	Not     string        `yaml:"not"`
	AtLeast *float64      `yaml:"at-least"`
	AtMost  *float64      `yaml:"at-most"`
	Matches string        `yaml:"matches"` // a regular expression
	Missing bool          `yaml:"missing"` // there is no such value
	Within  time.Duration `yaml:"within"`
}

func (c *state) Validate(s *scenario.Scenario) error {
	if err := hasDaemon(s, c.Node); err != nil {
		return err
	}
	if c.Path == "" {
		return fmt.Errorf("path: is missing, as in gm.groups[0].state")
	}
	if c.Equals == "" && c.Not == "" && c.AtLeast == nil && c.AtMost == nil && c.Matches == "" && !c.Missing {
		return fmt.Errorf("say what the value must be: equals, not, at-least, at-most, matches or missing")
	}
	_, err := regexp.Compile(c.Matches)
	return err
}

func (c *state) want() string {
	var w []string
	for name, v := range map[string]string{"equals": c.Equals, "not": c.Not, "matches": c.Matches} {
		if v != "" {
			w = append(w, name+" "+v)
		}
	}
	if c.AtLeast != nil {
		w = append(w, fmt.Sprintf("at least %v", *c.AtLeast))
	}
	if c.AtMost != nil {
		w = append(w, fmt.Sprintf("at most %v", *c.AtMost))
	}
	if c.Missing {
		w = append(w, "missing")
	}
	return c.Path + " " + strings.Join(w, ", ") + " within " + c.Within.String()
}

func (c *state) Run(ctx context.Context, env *Env) []scenario.Result {
	start := env.now()
	r := scenario.Result{Want: c.want()}
	for {
		v, ok, err := c.look(ctx, env)
		switch {
		case err != nil:
			r.Value, r.Message = scenario.NotMeasured, err.Error()
		case !ok:
			r.Value, r.OK = "missing", c.Missing
		default:
			r.Value, r.OK, r.Message = v, c.holds(v), ""
		}
		if r.OK || env.since(start) > c.Within || env.sleep(ctx, 100*time.Millisecond) != nil {
			return []scenario.Result{r}
		}
	}
}

func (c *state) look(ctx context.Context, env *Env) (string, bool, error) {
	snap, err := env.snapshot(ctx, c.Node)
	if err != nil {
		return "", false, err
	}
	b, err := json.Marshal(snap)
	if err != nil {
		return "", false, err
	}
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		return "", false, err
	}
	out, ok := follow(v, c.Path)
	return out, ok, nil
}

func (c *state) holds(v string) bool {
	n, err := strconv.ParseFloat(v, 64)
	switch {
	case c.Missing,
		c.Equals != "" && v != c.Equals,
		c.Not != "" && v == c.Not,
		c.Matches != "" && !regexp.MustCompile(c.Matches).MatchString(v),
		c.AtLeast != nil && (err != nil || n < *c.AtLeast),
		c.AtMost != nil && (err != nil || n > *c.AtMost):
		return false
	}
	return true
}

var pathStep = regexp.MustCompile(`^([A-Za-z0-9_]*)((?:\[[^\]]*\])*)$`)

// follow walks a path through decoded JSON.
func follow(v any, path string) (string, bool) {
	for _, part := range splitPath(path) {
		m := pathStep.FindStringSubmatch(part)
		if m == nil {
			return "", false
		}
		if list, ok := v.([]any); ok && m[1] == "count" && m[2] == "" {
			return strconv.Itoa(len(list)), true
		}
		if v == nil && m[1] == "count" {
			return "0", true // a list that is not there has no entries
		}
		if m[1] != "" {
			fields, ok := v.(map[string]any)
			if !ok {
				return "", false
			}
			if v, ok = fields[m[1]]; !ok {
				return "", false
			}
		}
		for _, choice := range regexp.MustCompile(`\[([^\]]*)\]`).FindAllStringSubmatch(m[2], -1) {
			var ok bool
			if v, ok = choose(v, choice[1]); !ok {
				return "", false
			}
		}
	}
	switch v := v.(type) {
	case string:
		return v, true
	case nil:
		return "", false
	default:
		b, err := json.Marshal(v)
		return string(b), err == nil
	}
}

// splitPath splits at dots outside of brackets.
func splitPath(path string) (out []string) {
	depth, from := 0, 0
	for i, r := range path {
		switch {
		case r == '[':
			depth++
		case r == ']':
			depth--
		case r == '.' && depth == 0:
			out = append(out, path[from:i])
			from = i + 1
		}
	}
	return append(out, path[from:])
}

// choose takes an entry of a list by its number or by the value of a field.
func choose(v any, by string) (any, bool) {
	list, ok := v.([]any)
	if !ok {
		return nil, false
	}
	key, val, ok := strings.Cut(by, "=")
	if !ok {
		i, err := strconv.Atoi(by)
		if i < 0 {
			i += len(list)
		}
		if err != nil || i < 0 || i >= len(list) {
			return nil, false
		}
		return list[i], true
	}
	for _, e := range list {
		if got, ok := follow(e, key); ok && got == val {
			return e, true
		}
	}
	return nil, false
}
