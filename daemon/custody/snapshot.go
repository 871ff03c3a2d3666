package custody

import (
	"fmt"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/hsm"
)

// Snapshot is the custody for consoles. It asks the token nothing: what is old is read in the background.
func (m *Measured) Snapshot() *control.Custody {
	keys, at, problem := m.keys.get(m.now())
	c := Describe(m.Info(), keys)
	c.Latency, c.KeysProblem = m.meter.list(), problem
	if !at.IsZero() {
		c.KeysAt = at.UTC()
	}
	if since := m.since.Load(); since != nil {
		c.Since = *since
	}
	return c
}

// Describe translates what a custody says of itself.
func Describe(i hsm.Info, keys []hsm.KeyInfo) *control.Custody {
	c := &control.Custody{
		Backend: i.Backend, URI: i.URI, Model: i.Model, Firmware: i.Firmware, Ready: i.Ready, Problem: i.Problem, Notice: i.Notice,
		Queue: control.CustodyQueue(i.Queue), Degraded: []string{}, Latency: []control.CustodyLatency{},
		Findings: []control.CustodyFinding{}, Keys: []control.CustodyKey{},
	}
	for _, f := range i.Findings {
		c.Findings = append(c.Findings, control.CustodyFinding{Mechanism: f.Mechanism, Verdict: string(f.Verdict), Detail: f.Detail})
	}
	for _, k := range keys {
		key := control.CustodyKey{Name: k.Name, URI: k.URI, Movable: k.Spec.Movable, Born: k.Born, Problem: k.Problem}
		if k.Spec.Kind != 0 {
			key.Kind, key.Use = k.Spec.Kind.String(), k.Spec.Use.String()
		}
		c.Keys = append(c.Keys, key)
	}
	return c
}

// NoPhase1 is what a daemon cannot do that has the key of its certificate in a custody that is lost.
const NoPhase1 = "no new phase 1 with a certificate succeeds: the custody does not sign; keys and traffic go on"

// Degrade says what a key server cannot do while its custody is as it is.
func Degrade(c *control.Custody) {
	if !c.Ready {
		c.Degraded = append(c.Degraded, "no rekey is signed; traffic, and the keys in force, go on")
		if c.KEKs == control.CustodyToken {
			c.Degraded = append(c.Degraded, "no member registers here; other key servers take those that ask")
		}
	}
	if q := c.Queue; q.Limit > 0 && q.Waiting*2 >= q.Limit {
		c.Degraded = append(c.Degraded, fmt.Sprintf("%d of %d places of the queue are taken: calls will be refused soon; the token is slow, or hangs", q.Waiting, q.Limit))
	}
	for _, k := range c.Keys {
		if k.Problem != "" {
			c.Degraded = append(c.Degraded, fmt.Sprintf("key %s is not used: %s", k.Name, k.Problem))
		}
	}
}
