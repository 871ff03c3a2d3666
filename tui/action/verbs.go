package action

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/getvpn/getvpn/tui/source"
)

var (
	group  = Arg{Name: "GROUP", Kind: Group}
	member = Arg{Name: "MEMBER", Kind: Member}
	nodes  = Arg{Name: "NODE", Kind: Node, Many: true}
	now    = Flag{Name: "now", Help: "end old keys at once, without their grace; packets under way are lost"}
)

// said makes a verb's Run of an action that answers with a sentence.
func said(f func(ctx context.Context, fleet *source.Fleet, c Call) (string, error)) func(context.Context, *source.Fleet, Call) (Result, error) {
	return func(ctx context.Context, fleet *source.Fleet, c Call) (Result, error) {
		text, err := f(ctx, fleet, c)
		return Result{Text: text}, err
	}
}

// yes asks for a y.
func yes(format string, args ...any) (string, string) { return fmt.Sprintf(format, args...), "" }

// Verbs lists all that can be done.
func Verbs() []Verb { return slices.Concat(foreseeable(groupVerbs()), labVerbs(), courseVerbs()) }

// groupVerbs are asked of daemons.
func groupVerbs() []Verb {
	return []Verb{
		{
			Name: "rekey", Short: "Ask the key server for new keys now", Args: []Arg{group}, Flags: []Flag{{Name: "kek", Help: "replace the KEK as well as the TEK"}},
			Ask: func(c Call) (string, string) {
				what := "a new TEK"
				if c.On("kek") {
					what = "a new TEK and a new KEK"
				}
				return yes("Rekey group %s with %s? Old keys stay valid through the rollover.", c.Arg(0), what)
			},
			Run: said(func(ctx context.Context, f *source.Fleet, c Call) (string, error) {
				return Rekey(ctx, f, c.Arg(0), c.On("kek"))
			}),
		},
		{
			Name: "clear-member", Short: "Remove a member from the key server's list; it must register again", Args: []Arg{group, member},
			Ask: func(c Call) (string, string) {
				return yes("Clear member %s of group %s? It loses its keys and must register again.", c.Arg(1), c.Arg(0))
			},
			Run: said(func(ctx context.Context, f *source.Fleet, c Call) (string, error) {
				return ClearMember(ctx, f, c.Arg(0), c.Arg(1))
			}),
		},
		{
			Name: "clear-members", Short: "Make all members register again; they keep their keys meanwhile", Args: []Arg{group},
			Flags: []Flag{{Name: "now", Help: "withdraw all keys at once; traffic stops until members have registered"}},
			Ask: func(c Call) (string, string) {
				if c.On("now") {
					return fmt.Sprintf("Withdraw all keys of group %s NOW? Its traffic stops until every member has registered again.", c.Arg(0)), c.Arg(0)
				}
				return fmt.Sprintf("Make ALL members of group %s register again? They keep their keys meanwhile.", c.Arg(0)), c.Arg(0)
			},
			Run: said(func(ctx context.Context, f *source.Fleet, c Call) (string, error) {
				return ClearMembers(ctx, f, c.Arg(0), c.On("now"))
			}),
		},
		{
			Name: "remove-member", Short: "Exclude members from a group and replace its keys; they are refused until readmitted",
			Args: []Arg{group, {Name: "MEMBER", Kind: Member, Many: true}}, Flags: []Flag{now},
			Ask: func(c Call) (string, string) {
				how := "all others get new keys"
				if c.On("now") {
					how = "all others get new keys and the old ones end AT ONCE, with loss"
				}
				return fmt.Sprintf("Remove %s from group %s? It is refused until readmitted; %s.", strings.Join(c.Args[1:], ", "), c.Arg(0), how), c.Arg(0)
			},
			Run: said(func(ctx context.Context, f *source.Fleet, c Call) (string, error) {
				return RemoveMember(ctx, f, c.Arg(0), c.Args[1:], c.On("now"))
			}),
		},
		{
			Name: "readmit", Short: "Let a removed member register again", Args: []Arg{group, member},
			Ask: func(c Call) (string, string) { return yes("Readmit %s to group %s?", c.Arg(1), c.Arg(0)) },
			Run: said(func(ctx context.Context, f *source.Fleet, c Call) (string, error) {
				return Readmit(ctx, f, c.Arg(0), c.Arg(1))
			}),
		},
		{
			Name: "reregister", Short: "Make a member register again", Args: []Arg{group, member},
			Ask: func(c Call) (string, string) { return yes("Make %s register again in group %s?", c.Arg(1), c.Arg(0)) },
			Run: said(func(ctx context.Context, f *source.Fleet, c Call) (string, error) {
				return Reregister(ctx, f, c.Arg(0), c.Arg(1))
			}),
		},
		{
			Name: "rotate", Short: "Give a group a new signature key; the old one is destroyed when nothing needs it", Args: []Arg{group},
			Flags: []Flag{{Name: "at", Help: "the key server whose key it is, by its name here; otherwise the primary", Value: true, Kind: Server}},
			Ask: func(c Call) (string, string) {
				at := cmp.Or(c.Flags["at"], "the primary")
				return yes("Replace the key that %s signs rekeys of group %s with? Members learn the new one by a rekey of the KEK; nobody is dropped.", at, c.Arg(0))
			},
			Run: said(func(ctx context.Context, f *source.Fleet, c Call) (string, error) {
				return Rotate(ctx, f, c.Arg(0), c.Flags["at"])
			}),
		},
		{
			Name: "handover", Short: "Let another key server be primary of a group", Args: []Arg{group},
			Flags: []Flag{{Name: "to", Help: "which one: its number, its address, or its name if it is attached here; otherwise whom an election would choose", Value: true, Kind: Server}},
			Ask: func(c Call) (string, string) {
				to := cmp.Or(c.Flags["to"], "the one that an election would choose")
				return yes("Make %s primary of group %s? The primary of now hands over when it has all that it has.", to, c.Arg(0))
			},
			Run: said(func(ctx context.Context, f *source.Fleet, c Call) (string, error) {
				return Handover(ctx, f, c.Arg(0), c.Flags["to"])
			}),
		},
		planVerb("plan", "Say what the key servers would change if they took up their configuration files now", false),
		planVerb("apply", "Have the key servers take up what can change of their configuration files", true),
	}
}

// planVerb is plan or apply, on all attached key servers that share the group, the primary last.
func planVerb(name, short string, apply bool) Verb {
	v := Verb{
		Name: name, Short: short, Args: []Arg{{Name: "GROUP", Kind: Group, Optional: true}}, Flags: []Flag{now}, Look: !apply,
		Run: func(ctx context.Context, f *source.Fleet, c Call) (Result, error) {
			plans, err := Plan(ctx, f, c.Arg(0), c.On("now"), apply)
			r := Result{Plans: plans}
			for _, p := range plans {
				r.Text += p.String()
			}
			return r, err
		},
	}
	if apply {
		v.Ask = func(c Call) (string, string) {
			what := "of all groups"
			if g := c.Arg(0); g != "" {
				what = "of group " + g
			}
			if c.On("now") && c.Arg(0) != "" {
				return "Apply the configuration files " + what + " NOW? Old SAs end at once: packets under way are lost.", c.Arg(0)
			}
			return yes("Apply the configuration files %s? :plan shows what would change.", what)
		}
	}
	return v
}
