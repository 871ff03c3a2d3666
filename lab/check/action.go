package check

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/getvpn/getvpn/lab/scenario"
)

// act carries out an action and returns what it printed.
type act func(ctx context.Context, env *Env) (string, error)

// verb is one kind of action; parse gets the words behind its name.
type verb struct {
	usage string
	parse func(s *scenario.Scenario, w []string) (act, error)
}

// errUsage makes action show how the verb is written.
var errUsage = errors.New("wrong form")

// verbs are what "do:" and the "do" lists of checks know.
var verbs = map[string]verb{
	"kill": {"kill NODE", daemonVerb(func(_ context.Context, l Lab, node string) error { return l.Kill(node) })},
	"stop": {"stop NODE", daemonVerb(func(_ context.Context, l Lab, node string) error { return l.Stop(node) })},
	"start": {"start NODE", daemonVerb(func(ctx context.Context, l Lab, node string) error {
		return l.Start(ctx, node)
	})},
	"reload": {"reload NODE", daemonVerb(func(_ context.Context, l Lab, node string) error { return l.Reload(node) })},
	"pause":  {"pause NODE", daemonVerb(func(_ context.Context, l Lab, node string) error { return l.Pause(node) })},
	"resume": {"resume NODE", daemonVerb(func(_ context.Context, l Lab, node string) error { return l.Resume(node) })},
	"wipe":   {"wipe NODE [FILE]...", parseWipe},
	"token":  {"token lose|return NODE", parseToken},
	"heal": {"heal", func(_ *scenario.Scenario, w []string) (act, error) {
		if len(w) != 0 {
			return nil, errUsage
		}
		return func(_ context.Context, env *Env) (string, error) { return "", env.Lab.Heal() }, nil
	}},
	"revoke": {"revoke CERTIFICATE", func(s *scenario.Scenario, w []string) (act, error) {
		if len(w) != 1 {
			return nil, errUsage
		}
		if err := s.HasCertificate(w[0]); err != nil {
			return nil, err
		}
		return func(_ context.Context, env *Env) (string, error) { return "", env.Lab.Revoke(w[0]) }, nil
	}},
	"wait":      {"wait 5s", parseWait},
	"partition": {"partition A,B/C [only control] [for 30s]", parsePartition},
	"configure": {"configure NODE [program=NAME] [VAR=VALUE]...", parseConfigure},
	"operator": {"operator NODE VERB [ARGUMENT]..., as getvpn-tui has them", func(s *scenario.Scenario, w []string) (act, error) {
		if len(w) < 2 {
			return nil, errUsage
		}
		if err := hasDaemon(s, w[0]); err != nil {
			return nil, err
		}
		return func(ctx context.Context, env *Env) (string, error) { return env.Lab.Operate(ctx, w[0], w[1:]) }, nil
	}},
	"exec": {"exec NODE COMMAND [ARGUMENT]...", func(s *scenario.Scenario, w []string) (act, error) {
		if len(w) < 2 {
			return nil, errUsage
		}
		if err := exist(s, w[0]); err != nil {
			return nil, err
		}
		return func(ctx context.Context, env *Env) (string, error) { return env.Lab.Run(ctx, w[0], w[1:]) }, nil
	}},
}

func hasDaemon(s *scenario.Scenario, node string) error {
	if n := s.Node(node); n == nil || n.Program == "" {
		return fmt.Errorf("there is no node %q with a daemon", node)
	}
	return nil
}

func daemonVerb(do func(ctx context.Context, l Lab, node string) error) func(*scenario.Scenario, []string) (act, error) {
	return func(s *scenario.Scenario, w []string) (act, error) {
		if len(w) != 1 {
			return nil, errUsage
		}
		if err := hasDaemon(s, w[0]); err != nil {
			return nil, err
		}
		return func(ctx context.Context, env *Env) (string, error) { return "", do(ctx, env.Lab, w[0]) }, nil
	}
}

func parseWait(_ *scenario.Scenario, w []string) (act, error) {
	if len(w) != 1 {
		return nil, errUsage
	}
	d, err := time.ParseDuration(w[0])
	if err != nil {
		return nil, errUsage
	}
	return func(ctx context.Context, env *Env) (string, error) { return "", env.sleep(ctx, d) }, nil
}

func parsePartition(s *scenario.Scenario, w []string) (act, error) {
	spec, limit, timed := strings.Cut(strings.Join(w, " "), " for ")
	if f := strings.Fields(spec); len(f) != 1 && (len(f) != 3 || f[1] != "only" || f[2] != "control") {
		return nil, errUsage
	}
	p, err := s.ParsePartition(spec)
	if err != nil {
		return nil, err
	}
	var d time.Duration
	if timed {
		if d, err = time.ParseDuration(limit); err != nil {
			return nil, errUsage
		}
	}
	return func(_ context.Context, env *Env) (string, error) { return "", env.Lab.Partition(p, d) }, nil
}

// parseToken: the token of a node's HSM is pulled out, or put back.
func parseToken(s *scenario.Scenario, w []string) (act, error) {
	if len(w) != 2 || w[0] != "lose" && w[0] != "return" {
		return nil, errUsage
	}
	if err := exist(s, w[1]); err != nil {
		return nil, err
	}
	if !s.HasHSM(w[1]) {
		return nil, fmt.Errorf("node %s has no hsm section", w[1])
	}
	return func(_ context.Context, env *Env) (string, error) {
		if w[0] == "lose" {
			return "", env.Lab.LoseToken(w[1])
		}
		return "", env.Lab.ReturnToken(w[1])
	}, nil
}

// parseWipe: without names, all of the state of a daemon.
func parseWipe(s *scenario.Scenario, w []string) (act, error) {
	if len(w) == 0 {
		return nil, errUsage
	}
	if err := hasDaemon(s, w[0]); err != nil {
		return nil, err
	}
	return func(_ context.Context, env *Env) (string, error) { return "", env.Lab.Wipe(w[0], w[1:]...) }, nil
}

// parseConfigure: the daemon's file is written anew; it is read when the daemon starts, or reloads.
func parseConfigure(s *scenario.Scenario, w []string) (act, error) {
	if len(w) < 2 {
		return nil, errUsage
	}
	if err := hasDaemon(s, w[0]); err != nil {
		return nil, err
	}
	program, vars := "", map[string]string{}
	for _, set := range w[1:] {
		key, val, ok := strings.Cut(set, "=")
		switch {
		case !ok || key == "":
			return nil, errUsage
		case key == "program":
			if _, known := s.Programs[val]; !known {
				return nil, fmt.Errorf("there is no program %q", val)
			}
			program = val
		default:
			vars[key] = val
		}
	}
	return func(_ context.Context, env *Env) (string, error) { return "", env.Lab.Configure(w[0], program, vars) }, nil
}

// action parses one action.
func action(s *scenario.Scenario, at scenario.Pos, text string) (act, error) {
	w, err := words(text)
	if err != nil {
		return nil, s.ErrorAt(at, "do: %s: %v", text, err)
	}
	if len(w) == 0 {
		return nil, s.ErrorAt(at, "do: is empty")
	}
	v, ok := verbs[w[0]]
	if !ok {
		return nil, s.ErrorAt(at, "do: %q; there are: %s", text, strings.Join(sortedKeys(verbs), ", "))
	}
	do, err := v.parse(s, w[1:])
	if errors.Is(err, errUsage) {
		return nil, s.ErrorAt(at, "do: %q; write %s", text, v.usage)
	}
	if err != nil {
		return nil, s.ErrorAt(at, "do: %s: %v", text, err)
	}
	return do, nil
}

// words splits at spaces; what stands in double quotes is one word.
func words(text string) ([]string, error) {
	var out []string
	var word strings.Builder
	in, quoted := false, false
	for _, r := range text {
		switch {
		case r == '"':
			quoted, in = !quoted, true
		case r == ' ' && !quoted:
			if in {
				out = append(out, word.String())
			}
			word.Reset()
			in = false
		default:
			word.WriteRune(r)
			in = true
		}
	}
	if quoted {
		return nil, errors.New("a double quote is missing")
	}
	if in {
		out = append(out, word.String())
	}
	return out, nil
}

// lastAction is what was done last, and when: checks that follow measure from there.
type lastAction struct {
	mu   sync.Mutex
	text string
	at   time.Time
}

func (l *lastAction) note(text string, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !strings.HasPrefix(text, "wait ") { // waiting changes nothing
		l.text, l.at = text, now
	}
}

// get gives now when nothing was done yet.
func (l *lastAction) get(now time.Time) (string, time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.at.IsZero() {
		return "the look", now
	}
	return l.text, l.at
}

// actions is a list of actions that a check carries out.
type actions []string

func (a actions) validate(s *scenario.Scenario) error {
	for _, text := range a {
		if _, err := action(s, scenario.Pos{}, text); err != nil {
			return err
		}
	}
	return nil
}

// undone is the error of an action of a list.
type undone struct {
	at   int // its place in the list
	text string
	err  error
}

func (u *undone) Error() string { return u.text + ": " + u.err.Error() }
func (u *undone) Unwrap() error { return u.err }

// run carries out all of them, or up to the first that fails, an *undone. output is what the last one printed.
func (a actions) run(ctx context.Context, env *Env) (output string, err error) {
	for i, text := range a { // before half of them is done
		if err := env.refuses(text); err != nil {
			return "", &undone{i, text, err}
		}
	}
	for i, text := range a {
		env.Log("  %s", text)
		env.last.note(text, env.now())
		do, err := action(env.Scenario, scenario.Pos{}, text)
		if err == nil {
			output, err = do(ctx, env)
		}
		if err != nil {
			return output, &undone{i, text, err}
		}
	}
	return output, nil
}

// refuses says why an action cannot be done in this lab.
func (e *Env) refuses(text string) error {
	v, ok := e.virtual()
	if !ok {
		return nil
	}
	w, err := words(text)
	if err == nil && len(w) > 0 {
		err = v.Refuses(w)
	}
	return err
}
