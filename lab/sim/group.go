package sim

import (
	"slices"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/policy"
)

// Runs of several groups: their machines are those of daemons with several, and each group has a Checker of its own.

// checkOf is the Checker of a group; an empty name is that of the first.
func (s *Sim) checkOf(group string) *Checker {
	if group == "" && s.Check != nil {
		return s.Check
	}
	i := slices.IndexFunc(s.checks, func(c *Checker) bool { return c.group == group })
	if i < 0 {
		i = len(s.checks)
		s.checks = append(s.checks, newChecker(s, group))
	}
	return s.checks[i]
}

// groupOf is the group that an effect on a data plane belongs to.
func groupOf(e machine.Effect) string {
	switch e := e.(type) {
	case gdoi.InstallSA:
		return e.Group
	case gdoi.ActivateSA:
		return e.Group
	case gdoi.RetireSA:
		return e.Group
	case gdoi.SetTime:
		return e.Group
	case gdoi.SetPolicy:
		return e.Group
	}
	return ""
}

// noted is told of what a node writes into its journal.
func (s *Sim) noted(n *Node, e machine.Note) {
	c := s.checkOf(e.Group)
	if e.Name == gdoi.NoteRekeySent {
		s.tells = c
	}
	c.note(n, e)
}

func (s *Sim) stepped(n *Node) {
	for _, c := range s.checks {
		c.stepped(n)
	}
}

func (s *Sim) settle() {
	for _, c := range s.checks {
		c.settle()
	}
}

func (s *Sim) disturbed() {
	for _, c := range s.checks {
		c.disturbed()
	}
}

// part is what a member has of a group.
type part struct {
	own   *config.GMGroup // its file
	check *Checker
	plane *plane
}

// parts are those of a member, in the order of its file, in which they are asked.
func (n *Node) parts() []part {
	groups := n.s.cfg.memberConfig(n.index).Groups
	out := make([]part, len(groups))
	for i := range groups {
		c := n.s.checkOf(groups[i].Name)
		out[i] = part{&groups[i], c, c.of(n)}
	}
	return out
}

// opens says whether a member has a key for what arrives under an SPI, and takes it.
func (n *Node) opens(from *Node, spi gdoi.SPI, f policy.Packet) (had, taken bool) {
	for _, p := range n.parts() {
		if _, ok := p.plane.sas[spi]; ok {
			return true, p.plane.takes(spi, f) && p.check.tardy(from, n, spi) == ""
		}
	}
	return false, false
}
