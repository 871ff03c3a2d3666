package action

import (
	"context"
	"strings"

	"github.com/getvpn/getvpn/tui/source"
)

// labVerbs are done by getvpn-lab, which owns the nodes and the network.
func labVerbs() []Verb {
	onNodes := func(name, short, question string) Verb {
		return Verb{
			Name: name, Short: short, Args: []Arg{nodes}, Lab: true,
			Ask: func(c Call) (string, string) { return yes(question, strings.Join(c.Args, ", ")) },
			Run: said(func(ctx context.Context, f *source.Fleet, c Call) (string, error) {
				return Lab(ctx, f.Lab, append([]string{name}, c.Args...)...)
			}),
		}
	}
	return []Verb{
		onNodes("kill", "Kill nodes of the lab (SIGKILL)", "Kill %s (SIGKILL)? It stays dead until it is started."),
		onNodes("start", "Start nodes of the lab", "Start %s?"),
		onNodes("stop", "End daemons of the lab in order", "Stop %s in order?"),
		onNodes("pause", "Stop nodes of the lab where they stand, as a machine that hangs would", "Pause %s (SIGSTOP)? It hangs until it is resumed."),
		onNodes("wipe", "Empty the state of daemons of the lab that do not run", "Empty the state of %s? It starts as one that has never been."),
		onNodes("resume", "Let paused nodes of the lab go on", "Let %s go on?"),
		{
			Name: "partition", Short: "Make the lab's network drop everything between two sides: ks1/gm1,gm2", Args: []Arg{{Name: "SIDES", Kind: Sides}}, Lab: true,
			Flags: []Flag{
				{Name: "for", Help: "lift it by itself after this time, 30s; otherwise heal does", Value: true, Kind: Time},
				{Name: "only", Help: "control: drop what key servers and members say to each other, and let traffic pass", Value: true, Kind: Time},
			},
			Ask: func(c Call) (string, string) {
				a, b, _ := strings.Cut(strings.ReplaceAll(c.Arg(0), ",", " "), "/")
				until := "until :heal"
				if d := c.Flags["for"]; d != "" {
					until = "for " + d
				}
				return yes("Cut the network between %s and %s %s?", a, b, until)
			},
			Run: said(func(ctx context.Context, f *source.Fleet, c Call) (string, error) {
				args := []string{"partition", c.Arg(0)}
				for _, flag := range []string{"for", "only"} {
					if v := c.Flags[flag]; v != "" {
						args = append(args, "--"+flag, v)
					}
				}
				return Lab(ctx, f.Lab, args...)
			}),
		},
		{
			Name: "heal", Short: "Lift all partitions of the lab's network", Lab: true,
			Ask: func(Call) (string, string) { return yes("Lift all partitions?") },
			Run: said(func(ctx context.Context, f *source.Fleet, _ Call) (string, error) { return Lab(ctx, f.Lab, "heal") }),
		},
		tokenVerb("lose", "Pull the HSM token of nodes of the lab out", "Pull the HSM token of %s out? There are no new keys until it is returned."),
		tokenVerb("return", "Put a token that was pulled out back", "Put the HSM token of %s back?"),
	}
}

// tokenVerb is about the HSM tokens of nodes.
func tokenVerb(do, short, question string) Verb {
	return Verb{
		Name: "token-" + do, Short: short, Args: []Arg{{Name: "NODE", Kind: Token, Many: true}}, Lab: true,
		Ask: func(c Call) (string, string) { return yes(question, strings.Join(c.Args, ", ")) },
		Run: said(func(ctx context.Context, f *source.Fleet, c Call) (string, error) {
			return Lab(ctx, f.Lab, append([]string{"token", do}, c.Args...)...)
		}),
	}
}

// courseVerbs are about the tasks that a lab sets.
func courseVerbs() []Verb {
	return []Verb{
		{
			Name: "grade", Short: "Have the tasks of the lab looked at, and the points counted", Lab: true,
			Run: func(ctx context.Context, f *source.Fleet, _ Call) (Result, error) { return Grade(ctx, f) },
		},
		{
			Name: "hint", Short: "Ask for the next hint of a task, which costs a part of its points", Args: []Arg{{Name: "TASK", Kind: Task}}, Lab: true,
			Ask: func(c Call) (string, string) {
				return yes("Take the next hint of task %s? It costs a part of its points.", c.Arg(0))
			},
			Run: ofCourse("hint"),
		},
		{
			Name: "solution", Short: "Show how the tasks of the lab are solved, which ends the exercise", Lab: true, Flags: []Flag{{Name: "do", Help: "carry it out as well"}},
			Ask: func(c Call) (string, string) {
				what := "Show"
				if c.On("do") {
					what = "Show and carry out"
				}
				return yes("%s the solution? That ends the exercise: no more points can be earned.", what)
			},
			Run: ofCourse("solution"),
		},
		{
			Name: "reset", Short: "Bring the lab back to its beginning: down, and up with the same values", Lab: true,
			Ask: func(Call) (string, string) {
				return yes("Begin again? The lab goes down and comes up as it was at first: what was repaired since is gone. Hints stay taken.")
			},
			Run: ofCourse("reset"),
		},
	}
}
