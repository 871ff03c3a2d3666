package translate

import (
	"context"
	"errors"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/daemon/loop"
	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/node"
)

// KEK shows the newest KEK; nil for none.
func KEK(list []gdoi.KEKInfo) *control.KEK {
	if len(list) == 0 {
		return nil
	}
	k := list[len(list)-1]
	out := &control.KEK{
		SPI: k.SPI.String(), Suite: k.Suite, Seq: k.Seq, Created: k.Created, Expires: k.Expires,
		Lifetime: seconds(k.Lifetime), Remaining: seconds(k.Remaining), NextRekey: k.NextRekey,
		SignatureKey: k.SignatureKey, SignatureAlg: k.SignatureAlg, SignatureLen: k.SignatureLen, SignatureKeyLen: k.SignatureKeyLen, Used: k.Used,
	}
	if n := len(list); n > 1 {
		out.PreviousSPI = list[n-2].SPI.String()
	}
	return out
}

// TEK shows a TEK.
func TEK(t gdoi.TEKInfo) control.TEK {
	return control.TEK{
		SPI: t.SPI.String(), SA: t.SA, Selectors: t.Selectors.Strings(), Suite: t.Suite, Epoch: t.Epoch, Phase: t.Phase.String(), Created: t.Created,
		SendAfter: t.SendAfter, Expires: t.Expires, Lifetime: seconds(t.Lifetime), Remaining: seconds(t.Remaining),
	}
}

// SIDs shows sender ids.
func SIDs(list []gdoi.SID) []uint32 {
	out := make([]uint32, len(list))
	for i, s := range list {
		out[i] = uint32(s)
	}
	return out
}

// Drops shows counters of dropped datagrams.
func Drops(list []node.Drop) []control.Counter {
	out := make([]control.Counter, len(list))
	for i, d := range list {
		out[i] = control.Counter{Name: d.Reason, Count: d.Count}
	}
	return out
}

// Event shows an event of a machine's journal; its number is the journal's to give.
func Event(node string, now machine.Now, n machine.Note) control.Event {
	e := control.Event{
		Time: now.Wall, Node: node, Name: n.Name, Severity: n.Severity.String(),
		Group: n.Group, Peer: n.Peer, Reason: n.Reason, Text: n.Text,
	}
	if len(n.Fields) > 0 {
		e.Fields = make(map[string]string, len(n.Fields))
	}
	for _, f := range n.Fields {
		e.Fields[f.Key] = f.Value
	}
	return e
}

func seconds(d time.Duration) int { return int(d.Round(time.Second) / time.Second) }

// Command runs an operator's command and marks refusals as the operator's fault.
func Command(ctx context.Context, l *loop.Loop, build func(id uint64) machine.Event) (string, error) {
	return commandThen(ctx, l, build, nil)
}

func commandThen(ctx context.Context, l *loop.Loop, build func(id uint64) machine.Event, then func()) (string, error) {
	text, err := l.CommandThen(ctx, build, then)
	if errors.Is(err, loop.ErrRefused) {
		return "", control.Refused(err.Error())
	}
	return text, err
}
