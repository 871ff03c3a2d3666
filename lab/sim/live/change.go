package live

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/daemon/translate"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/lab/sim"
)

// planned says what the file of a key server, read again, would change. The journal hears of it, as that of the daemon, and the run
// does not.
func (s *Server) planned(ctx context.Context, node string, q control.PlanRequest) (p *control.Plan, err error) {
	aerr := s.ask(ctx, node, func(n *sim.Node) {
		if _, p, err = s.run.look(n, q); err != nil {
			err = control.Refused(err.Error())
		}
		if q.Quiet {
			return
		}
		var notes []machine.Note
		if err != nil {
			notes = []machine.Note{translate.NoteRefused(err.Error())}
			err = control.Refused(err.Error() + translate.Kept)
		} else {
			notes = translate.NotesPlanned(p)
		}
		for _, e := range notes {
			s.front(n).journal.Add(translate.Event(n.Name, n.Clock(), e))
		}
	})
	return p, errors.Join(err, aerr)
}

// apply has a key server take what can change from its file.
func (s *Server) apply(ctx context.Context, node string, q control.PlanRequest) (*control.Plan, error) {
	quiet := q
	quiet.Quiet = true
	p, _ := s.planned(ctx, node, quiet) // what is wrong, the order says
	body, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	if _, err := s.order(ctx, Order{Verb: verbApply, Node: node, Body: body}); err != nil {
		return nil, err
	}
	p.Applied = true
	return p, nil
}
