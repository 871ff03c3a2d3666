package scenario

import (
	"fmt"
	"slices"
	"strings"
)

// Partition cuts the network between two sets of nodes. A member's side includes the LAN behind it.
type Partition struct {
	A, B []string
	// Control cuts what key servers and members say to each other, and nothing else: traffic goes on.
	Control bool
}

const onlyControl = " only control"

// String gives the form that ParsePartition reads.
func (p Partition) String() string {
	text := strings.Join(p.A, ",") + "/" + strings.Join(p.B, ",")
	if p.Control {
		text += onlyControl
	}
	return text
}

// ParsePartition reads "A,B/C,D" and "A,B/C,D only control": nodes of the scenario, none on both sides.
func (s *Scenario) ParsePartition(text string) (Partition, error) {
	const form = "write it as gm1,gm2/gm3,gm4"
	text, control := strings.CutSuffix(text, onlyControl)
	left, right, ok := strings.Cut(text, "/")
	if !ok || strings.Contains(right, "/") {
		return Partition{}, fmt.Errorf("%w: partition %q has not exactly two sides; %s", ErrScenario, text, form)
	}
	p := Partition{Control: control}
	for i, side := range []string{left, right} {
		for name := range strings.SplitSeq(side, ",") {
			name = strings.TrimSpace(name)
			switch {
			case name == "":
				return Partition{}, fmt.Errorf("%w: partition %q has an empty name; %s", ErrScenario, text, form)
			case s.Node(name) == nil:
				return Partition{}, fmt.Errorf("%w: partition %q: there is no node %q", ErrScenario, text, name)
			case slices.Contains(p.A, name) || slices.Contains(p.B, name):
				return Partition{}, fmt.Errorf("%w: partition %q names %s twice", ErrScenario, text, name)
			case i == 0:
				p.A = append(p.A, name)
			default:
				p.B = append(p.B, name)
			}
		}
	}
	return p, nil
}
