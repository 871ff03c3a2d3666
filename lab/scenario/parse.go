package scenario

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// ErrScenario is wrapped by everything that is wrong with a scenario file or with the values given to it.
var ErrScenario = errors.New("scenario")

// Error is one mistake in a scenario file.
type Error struct {
	File string
	At   Pos
	Text string
}

// Error gives file:line:column: text, as far as the place is known.
func (e *Error) Error() string { return e.File + e.At.String() + ": " + e.Text }

// Unwrap makes errors.Is(err, ErrScenario) true.
func (e *Error) Unwrap() error { return ErrScenario }

// Options are what a user may choose without editing the file.
type Options struct {
	Profile string
	Set     map[string]string
	Seed    uint64 // decides the values of draw:; 0 is 1
	// Sabotage breaks on purpose what the scenario teaches; it is a mistake where the scenario does not say how.
	Sabotage bool
	// Control is that run with nothing broken: its steps and its measure:, which must then pass.
	Control bool
	// Base finds the text of the scenario that another one names as its base; nil allows none.
	Base func(name string) ([]byte, error)
}

// Parse reads a scenario. All variables are replaced except those that only a node knows (Program.Render does it).
func Parse(file string, text []byte, opt Options) (*Scenario, error) {
	root, err := document(file, text)
	if err != nil {
		return nil, err
	}
	base := ""
	if n := value(root, keyBase); n != nil {
		base = BaseFile(n.Value)
	}
	s, err := parse(file, base, root, text, opt)
	if err != nil {
		return nil, in(base, err)
	}
	return s, nil
}

func parse(file, base string, root *yaml.Node, text []byte, opt Options) (*Scenario, error) {
	own := declarations(root)
	var leftOut []string
	if w := value(root, keyWithout); w != nil {
		for _, n := range w.Content {
			leftOut = append(leftOut, n.Value)
		}
	}
	unnamed := value(root, "name") == nil
	var err error
	if root, text, err = onBase(file, root, text, opt); err != nil {
		return nil, err
	}
	vars, err := variables(file, root, opt)
	if err != nil {
		return nil, err
	}
	drawn, err := draw(file, root, vars, opt.Seed)
	if err != nil {
		return nil, err
	}
	known := maps.Clone(vars)
	maps.Copy(known, drawn)
	var errs []error
	for i := 0; i+1 < len(root.Content); i += 2 {
		switch root.Content[i].Value {
		case "vars", "profiles", "programs", "services", keyDraw:
		default:
			errs = append(errs, substitute(file, root.Content[i+1], known)...)
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	s := &Scenario{File: file, Text: text, Drawn: drawn, Sabotaged: opt.Sabotage && !opt.Control, Control: opt.Sabotage && opt.Control, root: root,
		declared: own, base: base, leftOut: leftOut, unnamed: unnamed}
	if len(drawn) > 0 {
		s.Seed = max(opt.Seed, 1)
	}
	if err := strict(without(root, keyDraw), s); err != nil {
		return nil, located(file, err)
	}
	s.Vars = vars
	if errs := s.validate(); len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return s, nil
}

// document gives the mapping that a scenario file is.
func document(file string, text []byte) (*yaml.Node, error) {
	var doc yaml.Node
	if err := yaml.Load(text, &doc); err != nil {
		return nil, located(file, err)
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, &Error{file, Pos{Line: 1}, "a scenario is a YAML mapping that begins with name:"}
	}
	return doc.Content[0], nil
}

// variables merges defaults, profile, sabotage and settings; only what vars declares may be set.
func variables(file string, root *yaml.Node, opt Options) (map[string]string, error) {
	var head struct {
		Vars     map[string]string            `yaml:"vars"`
		Profiles map[string]map[string]string `yaml:"profiles"`
	}
	if err := root.Load(&head); err != nil {
		return nil, located(file, err)
	}
	vars := map[string]string{}
	maps.Copy(vars, head.Vars)
	lay := func(from string, over map[string]string) error {
		for _, k := range slices.Sorted(maps.Keys(over)) {
			if _, ok := vars[k]; !ok {
				return &Error{file, Pos{}, fmt.Sprintf("%s sets %q, which vars: does not declare; it knows %s", from, k,
					strings.Join(slices.Sorted(maps.Keys(vars)), ", "))}
			}
			vars[k] = over[k]
		}
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(head.Profiles)) {
		if err := lay("profile "+name, head.Profiles[name]); err != nil {
			return nil, err
		}
	}
	broken, err := sabotage(file, root, opt, head.Profiles)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(lay(keySabotage, broken.Set), lay(keySabotage, broken.Measure)); err != nil {
		return nil, err
	}
	maps.Copy(vars, head.Vars) // what was laid above only proved the names
	if opt.Sabotage && opt.Profile == "" {
		opt.Profile = broken.Profile
	}
	if opt.Profile != "" {
		p, ok := head.Profiles[opt.Profile]
		if !ok {
			return nil, &Error{file, Pos{}, fmt.Sprintf("there is no profile %q; the file has: %s", opt.Profile,
				strings.Join(slices.Sorted(maps.Keys(head.Profiles)), ", "))}
		}
		maps.Copy(vars, p)
	}
	if opt.Sabotage {
		maps.Copy(vars, broken.Measure)
	}
	if opt.Sabotage && !opt.Control {
		maps.Copy(vars, broken.Set)
	}
	return vars, lay("--set", opt.Set)
}

var reference = regexp.MustCompile(`\$?\$\{([^{}]*)\}`)

// expand replaces ${name} through look; unknown names are returned.
func expand(text string, look func(string) (string, bool)) (string, []string) {
	var unknown []string
	out := reference.ReplaceAllStringFunc(text, func(m string) string {
		if strings.HasPrefix(m, "$$") {
			return m[1:]
		}
		name := m[2 : len(m)-1]
		if v, ok := look(name); ok {
			return v
		}
		unknown = append(unknown, name)
		return m
	})
	return out, unknown
}

func substitute(file string, n *yaml.Node, vars map[string]string) (errs []error) {
	if n.Kind == yaml.ScalarNode && strings.Contains(n.Value, "${") {
		text, unknown := expand(n.Value, func(k string) (string, bool) { v, ok := vars[k]; return v, ok })
		for _, u := range unknown {
			errs = append(errs, &Error{file, posOf(n), fmt.Sprintf("${%s} is not declared in vars, nor drawn", u)})
		}
		// A value that is nothing but a reference is resolved anew, so that "${n}" may become a number: a flow mapping
		// cannot hold ${n} without quotes. Other quoting stays what the author wrote.
		whole := reference.FindString(n.Value) == n.Value
		n.Value = text
		if whole {
			n.Style = 0
		}
		if n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0 {
			n.Tag = ""
		}
	}
	for _, c := range n.Content {
		errs = append(errs, substitute(file, c, vars)...)
	}
	return errs
}

// DecodeParams decodes the parameters of a step's check strictly into v.
func (s *Scenario) DecodeParams(st *Step, v any) error {
	if err := strict(st.Params, v); err != nil {
		err = in(s.base, located(s.File, err))
		if one, ok := err.(*Error); ok { //nolint:errorlint // several mistakes stay as they are
			one.Text = "check " + st.Check + ": " + one.Text
		}
		return err
	}
	return nil
}

// ErrorAt is a mistake at a place of the scenario, of its own file or that of its base.
func (s *Scenario) ErrorAt(at Pos, format string, args ...any) *Error {
	return &Error{s.fileOf(at), at, fmt.Sprintf(format, args...)}
}
