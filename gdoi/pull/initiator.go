package pull

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/ike1"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// initiatorState is where a member is in the exchange:
//
//	initNew -Start-> initSent1 -message 2-> initSent3 -message 4-> initDone
//	                     any state -refusal, bad policy, silence-> initFailed
type initiatorState uint8

const (
	initNew initiatorState = iota
	initSent1
	initSent3
	initDone
	initFailed
)

// Initiator is the member's side of one PULL.
type Initiator struct {
	// Accept, if set, may refuse the policy of message 2, which has no keys yet, with an error that says why.
	Accept func(o *Offer) error

	exchange
	env    *machine.Env
	group  gdoi.GroupID
	sids   int
	state  initiatorState
	offer  *Offer // the policy, from message 2 on
	last   []byte
	sent   int
	wait   time.Duration
	resend machine.Instant
	began  machine.Instant // when message 1 was sent for the first time
}

// NewInitiator prepares a registration with group over the established session s, for wantSIDs sender ids (at
// least 1).
func NewInitiator(env *machine.Env, s *ike1.Session, group gdoi.GroupID, wantSIDs int) *Initiator {
	id := env.Uint32()
	for id == 0 {
		id = env.Uint32()
	}
	return &Initiator{exchange: newExchange(s, id), env: env, group: group, sids: wantSIDs}
}

// MessageID is the id of the exchange, by which datagrams find their Initiator.
func (i *Initiator) MessageID() uint32 { return i.id }

// Start sends message 1.
func (i *Initiator) Start(now machine.Now, out machine.Effects) machine.Effects {
	if i.state != initNew || i.s.State() != ike1.StateEstablished {
		return out
	}
	i.ni = i.env.Bytes(ourNonce)
	i.state, i.began = initSent1, now.Mono
	return i.transmit(now, out, i.seal(nil,
		isakmp.Nonce{Data: i.ni}, isakmp.ID{IDType: isakmp.IDKeyID, Data: []byte(i.group)}))
}

// transmit sends a new message and sets the timer.
func (i *Initiator) transmit(now machine.Now, out machine.Effects, msg []byte) machine.Effects {
	i.last, i.sent, i.wait = msg, 1, ike1.DefaultRetransmitBase
	i.resend = now.Mono.Add(i.wait)
	return append(out, send(i.s, msg, 0))
}

// Handle takes a datagram of this exchange. The Offer is not nil when the registration is complete; it then belongs
// to the caller. An error is an *Error.
func (i *Initiator) Handle(now machine.Now, msg []byte, out machine.Effects) (machine.Effects, *Offer, error) {
	switch i.state {
	case initSent1:
		out, err := i.message2(now, msg, out)
		return out, nil, err
	case initSent3:
		o, err := i.message4(msg)
		return out, o, err
	default:
		return out, nil, ignore(unexpected("the exchange is not running"))
	}
}

// message2 brings Nr and SA.
func (i *Initiator) message2(now machine.Now, msg []byte, out machine.Effects) (machine.Effects, error) {
	chain, _, err := i.open(msg, i.ni)
	if err != nil {
		return out, ignore(err)
	}
	o, err := i.parse2(chain)
	if err == nil && i.Accept != nil {
		if err = i.Accept(o); err != nil {
			err = fmt.Errorf("%w by this member: %w", ErrRefused, err)
		}
	}
	if err != nil {
		// RFC 6407 §3.3: notify the key server with a Delete and tear down the phase-1 session.
		return i.s.Delete(now, out), i.fail(err)
	}
	if o.Time != nil {
		o.Time.At, o.Time.RoundTrip = now.Mono, now.Mono.Sub(i.began)
	}
	i.offer = o
	var ps []isakmp.Payload
	if i.sids > 1 && len(o.TEKs) > 0 {
		// §3.5: the first sender id comes without asking.
		ps = append(ps, &isakmp.GAP{Attributes: []isakmp.Attribute{
			isakmp.BasicAttr(isakmp.GAPSenderIDRequest, uint16(min(i.sids, 65535))),
		}})
	}
	i.state = initSent3
	return i.transmit(now, out, i.seal([][]byte{i.ni, i.nr}, ps...)), nil
}

func (i *Initiator) parse2(chain []isakmp.Raw) (*Offer, error) {
	if err := shape(chain, isakmp.PayloadNONCE, isakmp.PayloadSA); err != nil {
		return nil, err
	}
	nr, err := parseNonce(chain[0])
	if err != nil {
		return nil, err
	}
	i.nr = nr
	sa, err := isakmp.ParseSAGDOI(chain[1].Body())
	if err != nil {
		return nil, err
	}
	if sa.GAP != nil && !i.s.PeerVendor(isakmp.VendorIDGetVPN) {
		// A private number means something else to a stranger.
		for _, private := range []uint16{isakmp.GAPGetVPNAccessList, isakmp.GAPGetVPNMode, isakmp.GAPGetVPNFormer, isakmp.GAPGetVPNTime, isakmp.GAPGetVPNTrusted} {
			if _, ok := isakmp.FindAttribute(sa.GAP.Attributes, private); ok {
				return nil, unsupported("GAP attribute %d from a key server without our vendor id", private)
			}
		}
	}
	return ParsePolicy(sa)
}

// message4 brings SEQ and KD.
func (i *Initiator) message4(msg []byte) (*Offer, error) {
	chain, plain, err := i.open(msg, i.ni, i.nr)
	if err != nil {
		return nil, ignore(err)
	}
	defer clear(plain)
	o := i.offer
	if err := o.parse4(chain); err != nil {
		return nil, i.fail(err)
	}
	i.state, i.offer, i.last = initDone, nil, nil
	return o, nil
}

func (o *Offer) parse4(chain []isakmp.Raw) error {
	want := []isakmp.PayloadType{isakmp.PayloadKD}
	if o.KEK != nil {
		want = []isakmp.PayloadType{isakmp.PayloadSEQ, isakmp.PayloadKD}
	}
	if err := shape(chain, want...); err != nil {
		return err
	}
	if o.KEK != nil {
		seq, err := isakmp.ParseSEQ(chain[0].Body())
		if err != nil {
			return err
		}
		o.Seq = seq.Number
	}
	kd, err := isakmp.ParseKD(chain[len(chain)-1].Body())
	if err != nil {
		return err
	}
	if err := o.addKeys(kd); err != nil {
		return err
	}
	if o.CounterMode() && len(o.SIDs) == 0 {
		return malformed("no sender id, which a counter-mode cipher needs (RFC 6407 §5.6.4.4)")
	}
	return nil
}

// Refused takes an authenticated Notify of the session. If it refuses this exchange, the exchange is over and the
// error says so; otherwise nil.
func (i *Initiator) Refused(n *isakmp.Notify) error {
	running := i.state == initSent1 || i.state == initSent3
	if !running || n.MsgType >= firstStatusNotify {
		return nil
	}
	if len(n.Data) >= 4 && binary.BigEndian.Uint32(n.Data) != i.id {
		return nil
	}
	if n.MsgType == isakmp.TryLater && len(n.Data) == 8 {
		err := i.fail(fmt.Errorf("%w by the key server for now: it is not ready", ErrRefused))
		err.RetryAfter = min(max(time.Duration(binary.BigEndian.Uint32(n.Data[4:]))*time.Millisecond, minRetryAfter), maxRetryAfter)
		return err
	}
	if n.MsgType == isakmp.TryLater {
		return i.fail(fmt.Errorf("%w by the key server for now: this member has registered too often", ErrRefused))
	}
	return i.fail(fmt.Errorf("%w by the key server: %v; check that the group exists there and authorises this member", ErrRefused, n.MsgType))
}

// What a key server can ask a member to wait.
const (
	minRetryAfter = 100 * time.Millisecond
	maxRetryAfter = 30 * time.Second
)

// firstStatusNotify is where status types begin, RFC 2408 §3.14.1: they refuse nothing.
const firstStatusNotify = 16384

// Deadline says when Timeout wants to be called.
func (i *Initiator) Deadline() (machine.Instant, bool) {
	return i.resend, i.state == initSent1 || i.state == initSent3
}

// Timeout repeats the last message, up to ike1.Transmissions times; then the exchange has failed with ErrTimeout.
func (i *Initiator) Timeout(now machine.Now, out machine.Effects) (machine.Effects, error) {
	at, ok := i.Deadline()
	if !ok || now.Mono < at {
		return out, nil
	}
	if s := i.s.State(); s != ike1.StateEstablished {
		return out, i.fail(unexpected("the phase-1 SA is %v", s))
	}
	if i.sent == ike1.Transmissions {
		return out, i.fail(fmt.Errorf("%w: message sent %d times", ErrTimeout, i.sent))
	}
	i.sent++
	i.wait *= 2
	i.resend = now.Mono.Add(i.wait)
	return append(out, send(i.s, i.last, 0)), nil
}

func (i *Initiator) fail(err error) *Error {
	i.Destroy()
	return fatal(err)
}

// Destroy ends the exchange and wipes what it holds.
func (i *Initiator) Destroy() {
	i.state, i.last = initFailed, nil
	i.offer.Destroy()
	i.offer = nil
}
