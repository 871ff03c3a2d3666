package live

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/daemon/translate"
	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/lab/driver"
	"github.com/getvpn/getvpn/lab/scenario"
	"github.com/getvpn/getvpn/lab/sim"
)

// Configuration files. They are those of the daemons, in the run directory; an order writes one anew, and a daemon reads it when it
// starts, or is told to. Playing again begins with the files of the beginning.

// render is the file of a node's daemon.
func (p *Plan) render(n *scenario.Node) (string, error) {
	return p.scenario.Render(n, scenario.Places{
		Dir: p.dir, Socket: socket(p.dir, n.Name), State: filepath.Join(p.dir, "state", n.Name), Secrets: filepath.Join(p.dir, "secrets"),
		Module: "/usr/lib/softhsm/libsofthsm2.so", PIN: p.pin(n.Name), // which nobody opens
	})
}

// pin is the file with the PIN of a token, which a daemon would read.
func (p *Plan) pin(node string) string { return filepath.Join(p.dir, "hsm", node, "pin") }

// put writes it.
func (p *Plan) put(node, text string) error {
	path := driver.ConfigFile(p.dir, node)
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		err = os.WriteFile(path, []byte(text), 0o600)
	}
	if err != nil {
		return fmt.Errorf("configuration of %s: %w", node, err)
	}
	return nil
}

// load reads it.
func (p *Plan) load(node string) (part sim.Part, err error) {
	part.Name = node
	path := driver.ConfigFile(p.dir, node)
	if p.scenario.Node(node).Kind == scenario.KindKeyServer {
		part.KS, err = config.LoadKS(path)
	} else {
		part.GM, err = config.LoadGM(path)
	}
	if err == nil {
		err = p.unlock(&part)
	}
	return part, err
}

// configured is the file that an order to configure writes.
func (r *Run) configured(o *Order) (string, error) {
	return r.plan.render(r.plan.scenario.Node(o.Node).Configured(o.Program, o.Vars))
}

// must is for what check has looked at, or what the machine below refuses: the run breaks off.
func must(err error) {
	if err != nil {
		panic("live: " + err.Error())
	}
}

// write writes the file of a node anew.
func (r *Run) write(node, text string) {
	must(r.plan.put(node, text))
	r.written[node] = true
}

// forgetFiles makes the files what they were at the beginning.
func (r *Run) forgetFiles() {
	for node := range r.written {
		must(r.plan.put(node, r.plan.texts[node]))
	}
	r.written = map[string]bool{}
	if r.revoked {
		must(r.plan.handOut())
		r.revoked = false
	}
}

// read reads the file of a node for the daemon.
func (r *Run) read(n *sim.Node) (sim.Part, error) {
	p, err := r.plan.load(n.Name)
	if err != nil {
		return p, err
	}
	return n.Cast(p)
}

// start starts a daemon, with its file as that is now.
func (r *Run) start(n *sim.Node) {
	if r.written[n.Name] {
		p, err := r.read(n)
		must(err)
		p.Manual = n.Part().Manual
		n.Recast(p)
		if p.KS != nil {
			n.Disturb(p.KS.Faults)
		}
	}
	n.Start()
}

// change is a key server that takes what can change from its file.
type change struct {
	is   sim.Part
	only string
	plan *control.Plan
	was  []string // warnings
}

// renew has a daemon read its certificates and revocation lists again.
func (r *Run) renew(n *sim.Node, id uint64) {
	if err := n.Renew(renewID(id)); err != nil {
		n.Note(translate.NoteRefused("the old certificates and revocation lists stay in force: " + err.Error()))
	}
}

// reload has a daemon read its file again.
func (r *Run) reload(n *sim.Node, q control.PlanRequest, id uint64) {
	if !n.KeyServing() {
		r.reloadMember(n)
		return
	}
	is, plan, err := r.look(n, q)
	if err == nil && plan.Refused() != "" {
		err = errors.New(plan.Refused())
	}
	if err != nil {
		n.Note(translate.NoteRefused(err.Error()))
		r.answer(n, gdoi.CommandResult{ID: id, Err: err.Error() + translate.Kept})
		return
	}
	r.changes[id] = &change{is, q.Group, plan, n.Part().KS.Warnings}
	n.Reconfigure(is, q, id)
}

// look says what it would mean for a key server to read its file again.
func (r *Run) look(n *sim.Node, q control.PlanRequest) (is sim.Part, plan *control.Plan, err error) {
	if is, err = r.read(n); err == nil {
		plan, err = n.Plan(is, q)
	}
	return is, plan, err
}

// renewID is the id of the command with which an order has a daemon take up its certificates.
func renewID(id uint64) uint64 { return id << 16 }

// changed ends a reload, when the machine has answered.
func (r *Run) changed(n *sim.Node, e gdoi.CommandResult) {
	if e.ID >= renewID(orderID(0)) && e.Err == "" {
		n.Renewed()
	}
	c := r.changes[e.ID]
	if c == nil {
		return
	}
	delete(r.changes, e.ID)
	n.Take(e.Err == "")
	if e.Err != "" {
		n.Note(translate.NoteRefused(e.Err))
		return
	}
	if c.only == "" {
		n.Disturb(c.is.KS.Faults)
	}
	for _, e := range translate.NotesApplied(c.was, c.is.KS.Warnings, c.plan) {
		n.Note(e)
	}
}

// reloadMember says what a restart would change: nothing of a member's file does while it runs.
func (r *Run) reloadMember(n *sim.Node) {
	is, err := r.read(n)
	if err != nil {
		n.Note(translate.NoteRefused(err.Error()))
		return
	}
	if e, ok := translate.NoteMember(n.Part().GM, is.GM); ok {
		n.Note(e)
	}
}
