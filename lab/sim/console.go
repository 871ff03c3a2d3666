package sim

import (
	"cmp"
	"maps"
	"slices"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/daemon/translate"
	"github.com/getvpn/getvpn/esp/engine"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/node"
)

// Snapshot is what a console sees of a node: made by the functions of the daemons, from the machine, with the times of the run. Nil
// means that the node does not run. Its journal's last number is the caller's to fill in.
func (n *Node) Snapshot() *control.Snapshot {
	if !n.Up() {
		return nil
	}
	now := n.clock()
	s := &control.Snapshot{
		Name: n.Name, Version: control.Version, PID: n.PID(), Started: n.started, Time: now.Wall, Local: n.local(),
		Warn: []string{"simulated: nothing of this is on any network"},
	}
	if n.index > 0 {
		m := n.Member().Snapshot(now)
		s.Role, s.Drops = control.RoleGroupMember, translate.Drops(m.Drops)
		s.GM = translate.GroupMember(n.s.cfg.memberConfig(n.index), m, n.engineStats(), make([]engine.TimeStats, len(m.Groups)))
		s.GM.DataPath = n.dataPath()
		return s
	}
	k := n.KeyServer().Snapshot(now)
	s.Role, s.Drops = control.RoleKeyServer, translate.Drops(k.Drops)
	s.KS = translate.KeyServer(n.s.cfg.keyServerConfig(n.number()), k, "simulated")
	s.Custody = n.custodySnapshot()
	return s
}

// Foresee says what a command would do to a node that runs, or why it would be refused now. Nothing changes.
func (n *Node) Foresee(ev machine.Event) (node.Foresight, error) {
	if n.index > 0 {
		return n.Member().Foresee(n.clock(), ev)
	}
	return n.KeyServer().Foresee(n.clock(), ev)
}

// PID tells one life of a node from the others, as a process's number does.
func (n *Node) PID() int { return n.life*1000 + n.index + 1 + len(n.s.spares) }

// Paused says whether the process was stopped where it stands.
func (n *Node) Paused() bool { return n.paused }

// KeyServing says whether it is a key server.
func (n *Node) KeyServing() bool { return n.index <= 0 }

func (n *Node) local() string {
	e := config.Endpoints{n.Addr}
	if n.other.IsValid() {
		e = append(e, n.other)
	}
	return e.String()
}

// memberConfig is the file of member i, from 1, or what stands for it where there is none.
func (c *Config) memberConfig(i int) *config.GM {
	if c.Cast != nil {
		return c.Cast.Members[i-1].GM
	}
	return &config.GM{Groups: []config.GMGroup{{Name: c.group(), ID: config.GroupID{Text: "1234"}}}}
}

func (c *Config) keyServerConfig(i int) *config.KS {
	if c.Cast != nil {
		return c.Cast.KeyServers[i].KS
	}
	return &config.KS{Groups: []config.KSGroup{{Name: c.group(), ID: config.GroupID{Text: "1234"}}}}
}

// custodySnapshot shows the simulated token of a key server; nil: it has none.
func (n *Node) custodySnapshot() *control.Custody {
	t := n.token
	if t == nil {
		return nil
	}
	out := &control.Custody{
		Backend: "simulated", URI: "sim:" + t.name, Model: "token of the simulator", Ready: !t.lost, KEKs: control.CustodyToken,
		Queue: control.CustodyQueue{Busy: len(t.pending)}, Degraded: []string{}, Latency: []control.CustodyLatency{},
		Findings: []control.CustodyFinding{}, Keys: []control.CustodyKey{},
	}
	if t.lost {
		out.Problem = errTokenGone.Error()
		out.Degraded = append(out.Degraded, "no new keys: "+out.Problem)
	}
	if t.full {
		out.Degraded = append(out.Degraded, "no new KEK: "+errTokenFull.Error())
	}
	for _, name := range slices.Sorted(maps.Keys(t.keys)) {
		out.Keys = append(out.Keys, control.CustodyKey{Name: name, URI: out.URI + "/" + name, Kind: "AES-256", Use: "encrypt", Movable: true, Born: true})
	}
	return out
}

// Group is the name of the run's group.
func (s *Sim) Group() string { return cmp.Or(s.cfg.group(), GroupName) }
