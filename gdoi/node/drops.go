package node

import (
	"errors"
	"math"
	"net/netip"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	cooplink "github.com/getvpn/getvpn/gdoi/coop/link"
	"github.com/getvpn/getvpn/gdoi/ike1"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/pki"
	"github.com/getvpn/getvpn/gdoi/pull"
	"github.com/getvpn/getvpn/gdoi/push"
)

// immediately is the deadline of a node that has not started.
const immediately = machine.Instant(math.MinInt64)

// Limits of what bad input can write into the journal; not configurable.
const (
	dropNoteEvery = 10 * time.Second // per reason
	maxRefusals   = 10               // clear notifications per second
)

// dropCounter counts drops and says so now and then.
type dropCounter struct {
	counts map[string]uint64
	noted  map[string]machine.Instant
	voices voices

	refusals   int
	refusalsAt machine.Instant
}

func newDropCounter() dropCounter {
	return dropCounter{counts: map[string]uint64{}, noted: map[string]machine.Instant{}}
}

// drop counts a datagram from remote.
func (d *dropCounter) drop(now machine.Now, reason gdoi.DropReason, remote netip.AddrPort, text string, out machine.Effects) machine.Effects {
	d.counts[reason]++
	if last, ok := d.noted[reason]; ok && now.Mono.Sub(last) < dropNoteEvery {
		return out
	}
	d.noted[reason] = now.Mono
	return append(out, machine.Note{Name: gdoi.NoteDatagramDropped, Severity: machine.Debug, Peer: remote.String(), Reason: reason, Text: text})
}

// failed counts a datagram whose handling ended with an error of ike1, pull or push.
func (d *dropCounter) failed(now machine.Now, err error, remote netip.AddrPort, out machine.Effects) machine.Effects {
	reason := reasonOf(err)
	switch reason {
	case ike1.ReasonAuth, ike1.ReasonNoPSK, ike1.ReasonIdentity, ike1.ReasonNoProposal, ike1.ReasonNoCredential,
		pki.ReasonMissing, pki.ReasonInvalid, pki.ReasonUntrusted, pki.ReasonExpired, pki.ReasonRevoked, pki.ReasonNoCRL:
		out = d.voices.note(now, remote.Addr(), machine.Note{
			Name: gdoi.NoteAuthFailed, Severity: machine.Warning, Peer: remote.String(), Reason: reason, Text: err.Error(),
		}, out)
	}
	return d.drop(now, reason, remote, err.Error(), out)
}

func reasonOf(err error) string {
	var ie *ike1.Error
	var pe *pull.Error
	var ue *push.Error
	var le *cooplink.Error
	switch {
	case errors.As(err, &ie):
		return ie.Reason
	case errors.As(err, &pe):
		return pe.Reason
	case errors.As(err, &ue):
		return ue.Reason
	case errors.As(err, &le):
		return le.Reason
	case errors.Is(err, isakmp.ErrMalformed):
		return gdoi.DropMalformed
	default:
		return "failed"
	}
}

// mayRefuse says whether one more answer in clear may go out.
func (d *dropCounter) mayRefuse(now machine.Now) bool {
	if now.Mono.Sub(d.refusalsAt) >= time.Second {
		d.refusals, d.refusalsAt = 0, now.Mono
	}
	d.refusals++
	return d.refusals <= maxRefusals
}

// header judges size and header of a datagram; false means that it was dropped.
func (d *dropCounter) header(now machine.Now, ev machine.Datagram, limit int, out machine.Effects) (isakmp.Header, machine.Effects, bool) {
	switch n := len(ev.Bytes); {
	case n < isakmp.HeaderLen:
		return isakmp.Header{}, d.drop(now, gdoi.DropTooShort, ev.Remote, "datagram is shorter than an ISAKMP header", out), false
	case n > limit:
		return isakmp.Header{}, d.drop(now, gdoi.DropTooLong, ev.Remote, "datagram is longer than allowed", out), false
	}
	h, err := isakmp.ParseHeader(ev.Bytes)
	if err != nil {
		return h, d.drop(now, gdoi.DropMalformed, ev.Remote, err.Error(), out), false
	}
	return h, out, true
}

// cookies name a phase-1 SA.
type cookies struct{ i, r isakmp.Cookie }

func cookiesOf(s *ike1.Session) cookies {
	i, r := s.Cookies()
	return cookies{i, r}
}
