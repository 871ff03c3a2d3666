package action

import (
	"context"
	"fmt"
	"strings"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/source"
)

// Verb is something that can be done to a group or a node. The keys of the screen, the commands after its `:` and the verbs of
// the command line are all made from the same list.
type Verb struct {
	Name  string
	Short string // what it does, for help
	Args  []Arg
	Flags []Flag
	Lab   bool // getvpn-lab does it: only in a lab
	Look  bool // it changes nothing

	// Ask is the question before it is done, and what must be typed for a yes: nothing for a y. A nil Ask asks nothing.
	Ask func(c Call) (question, typed string)
	Run func(ctx context.Context, fleet *source.Fleet, c Call) (Result, error)
}

// Arg is what a verb is about.
type Arg struct {
	Name     string // GROUP
	Kind     Kind
	Optional bool
	Many     bool // one or more; the last argument
}

// Kind of an argument, which says what completes it.
type Kind uint8

// Kinds of arguments.
const (
	Group  Kind = iota
	Member      // of the group before it
	Server      // a key server of the group before it
	Node        // of the lab
	Sides       // A,B/C
	Time        // 30s
	Task        // of the lab
	Token       // a node whose keys are in an HSM
)

// Flag of a verb; without a kind's completion it is a switch.
type Flag struct {
	Name, Help string
	Value      bool
	Kind       Kind
}

// Call is a verb's arguments.
type Call struct {
	Args  []string
	Flags map[string]string // a switch that is set has "true"
}

// Arg is an argument by its place, empty if there is none.
func (c Call) Arg(i int) string {
	if i < len(c.Args) {
		return c.Args[i]
	}
	return ""
}

// On says whether a switch is set.
func (c Call) On(flag string) bool { return c.Flags[flag] == "true" }

// Result is what a verb has done.
type Result struct {
	Text  string
	Brief string          // what a screen says of it that shows the rest already; empty: Text
	Plans []*control.Plan // of plan and apply
}

// Usage is the verb with its arguments.
func (v *Verb) Usage() string {
	out := v.Name
	for _, a := range v.Args {
		name := a.Name
		if a.Many {
			name += "..."
		}
		if a.Optional {
			name = "[" + name + "]"
		}
		out += " " + name
	}
	return out
}

// Find returns a verb by name; nil: there is none.
func Find(name string) *Verb {
	all := Verbs()
	for i := range all {
		if all[i].Name == name {
			return &all[i]
		}
	}
	return nil
}

// Parse reads a verb's arguments and flags from the words after its name.
func (v *Verb) Parse(words []string) (Call, error) {
	c := Call{Flags: map[string]string{}}
	for i := 0; i < len(words); i++ {
		name, isFlag := strings.CutPrefix(words[i], "--")
		if !isFlag {
			c.Args = append(c.Args, words[i])
			continue
		}
		name, value, has := strings.Cut(name, "=")
		f := v.flag(name)
		switch {
		case f == nil:
			return c, fmt.Errorf("%s has no --%s", v.Name, name)
		case !f.Value:
			value = "true"
		case !has && i+1 < len(words):
			i++
			value = words[i]
		case !has:
			return c, fmt.Errorf("--%s needs a value", name)
		}
		c.Flags[name] = value
	}
	return c, v.check(c)
}

// check says whether there are as many arguments as the verb takes, and whether sides of a network are two.
func (v *Verb) check(c Call) error {
	least, most := 0, len(v.Args)
	for _, a := range v.Args {
		if !a.Optional {
			least++
		}
		if a.Many {
			most = 1 << 16
		}
	}
	if n := len(c.Args); n < least || n > most {
		return fmt.Errorf("usage: %s", v.Usage())
	}
	for i, a := range v.Args {
		if a.Kind != Sides {
			continue
		}
		if one, other, _ := strings.Cut(c.Arg(i), "/"); one == "" || other == "" || strings.Contains(other, "/") {
			return fmt.Errorf("%s %q has not exactly two sides; write it as gm1,gm2/gm3,gm4", v.Name, c.Arg(i))
		}
	}
	return nil
}

func (v *Verb) flag(name string) *Flag {
	for i := range v.Flags {
		if v.Flags[i].Name == name {
			return &v.Flags[i]
		}
	}
	return nil
}
