package pull

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/ike1"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// responderState is where a key server is in the exchange:
//
//	respNew -message 1-> respWantPolicy -Policy-> respSent2 -message 3-> respWantKeys -Keys-> respDone
//	                           '------------------ Refuse ------------------'-> respRefused
//	                     any state -message that verifies but is wrong, time-> respFailed
type responderState uint8

const (
	respNew responderState = iota
	respWantPolicy
	respSent2
	respWantKeys
	respDone
	respRefused
	respFailed
)

// maxAgain bounds the answers to one request that comes again and again. A member asks ike1.Transmissions times and the
// path may double that; whoever records a request could otherwise turn it into any amount of longer answers.
const maxAgain = 2 * ike1.Transmissions

// Request is what Handle asks of the key server; WantPolicy or WantKeys.
type Request interface{ request() }

// WantPolicy asks whether the peer may have the group's policy. It proves nothing yet: message 1 may be a replay.
type WantPolicy struct{ Group gdoi.GroupID }

// WantKeys says that the peer has proved to be alive, and asks for this number of sender ids (at least 1). Only now
// may the state of the group change.
type WantKeys struct{ SIDCount int }

func (WantPolicy) request() {}
func (WantKeys) request()   {}

// Responder is the key server's side of one PULL.
type Responder struct {
	exchange
	env    *machine.Env
	state  responderState
	policy *Offer // SPIs that message 2 announced

	request [sha256.Size]byte // digest of the request being, or last, answered
	answer  machine.Effects   // what answered it; nil while the key server thinks
	again   int               // how often it was repeated
	end     machine.Instant
	timed   bool
}

// NewResponder prepares the answer to an exchange whose first datagram is first; hand that to Handle next. It looks
// at the header only, so the caller keeps the Responder, by its message id, only when that Handle has returned no
// error: anybody can invent a message id. Ids that were used belong into a MessageIDs.
func NewResponder(env *machine.Env, s *ike1.Session, first []byte) (*Responder, error) {
	h, err := isakmp.ParseHeader(first)
	if err == nil {
		err = checkHeader(s, h)
	}
	if err != nil {
		return nil, ignore(err)
	}
	return &Responder{exchange: newExchange(s, h.MessageID), env: env}, nil
}

// MessageID is the id of the exchange, by which datagrams find their Responder.
func (r *Responder) MessageID() uint32 { return r.id }

// Handle takes a datagram of this exchange. A Request that is not nil must be answered, at once or later: WantPolicy
// by Policy or Refuse, WantKeys by Keys or Refuse. An error is an *Error.
func (r *Responder) Handle(now machine.Now, msg []byte, out machine.Effects) (machine.Effects, Request, error) {
	digest := sha256.Sum256(msg)
	if r.state != respNew && digest == r.request {
		if r.answer == nil || r.again == maxAgain {
			return out, nil, ignore(ErrDuplicate)
		}
		r.again++
		return append(out, r.answer...), nil, nil
	}
	var (
		req Request
		err error
	)
	switch r.state {
	case respNew:
		req, err = r.message1(msg)
	case respSent2:
		req, err = r.message3(msg)
	default:
		err = ignore(unexpected("the exchange is not waiting for a message"))
	}
	if err != nil {
		return out, nil, err
	}
	r.request, r.answer, r.again = digest, nil, 0
	r.limit(now)
	return out, req, nil
}

// limit gives the state that was just entered its time.
func (r *Responder) limit(now machine.Now) { r.end, r.timed = now.Mono.Add(ike1.HalfOpenLife), true }

// message1 brings Ni and ID.
func (r *Responder) message1(msg []byte) (Request, error) {
	chain, _, err := r.open(msg)
	if err != nil {
		return nil, ignore(err)
	}
	if err := shape(chain, isakmp.PayloadNONCE, isakmp.PayloadID); err != nil {
		return nil, r.fail(err)
	}
	if r.ni, err = parseNonce(chain[0]); err != nil {
		return nil, r.fail(err)
	}
	id, err := isakmp.ParseID(chain[1].Body())
	if err != nil {
		return nil, r.fail(err)
	}
	if id.IDType != isakmp.IDKeyID || len(id.Data) == 0 {
		return nil, r.fail(unsupported("group identity of type %v; only ID_KEY_ID (RFC 6407 §5.1)", id.IDType))
	}
	r.state = respWantPolicy
	return WantPolicy{gdoi.GroupID(id.Data)}, nil
}

// message3 proves that the peer is alive, and may bring a GAP.
func (r *Responder) message3(msg []byte) (Request, error) {
	chain, _, err := r.open(msg, r.ni, r.nr)
	if err != nil {
		return nil, ignore(err)
	}
	count := 1
	if len(chain) > 0 {
		if err := shape(chain, isakmp.PayloadGAP); err != nil {
			return nil, r.fail(err)
		}
		if count, err = parseRequest(chain[0]); err != nil {
			return nil, r.fail(err)
		}
	}
	r.state = respWantKeys
	return WantKeys{count}, nil
}

// parseRequest reads the GAP of message 3: how many sender ids.
func parseRequest(raw isakmp.Raw) (int, error) {
	g, err := isakmp.ParseGAP(raw.Body())
	if err != nil {
		return 0, err
	}
	count, seen := 1, once{}
	for _, a := range g.Attributes {
		if err := seen.see("GAP", a.Type); err != nil {
			return 0, err
		}
		if a.Type != isakmp.GAPSenderIDRequest {
			return 0, unsupported("GAP attribute %d in a request", a.Type)
		}
		v, err := number("GAP", a, 65535)
		if err != nil {
			return 0, err
		}
		count = max(1, int(v))
	}
	return count, nil
}

// Policy answers WantPolicy: it sends message 2, the policy of the offer without its keys. The offer stays the
// caller's.
func (r *Responder) Policy(now machine.Now, offer *Offer, out machine.Effects) (machine.Effects, error) {
	if r.state != respWantPolicy {
		return out, ignore(unexpected("nobody waits for a policy"))
	}
	if err := r.alive(); err != nil {
		return out, err
	}
	sa := offer.SA(r.s.PeerVendor(isakmp.VendorIDGetVPN))
	if err := isakmp.CheckSize(sa); err != nil {
		return out, r.fail(err)
	}
	r.policy = offer.outline()
	r.nr = r.env.Bytes(ourNonce)
	r.state = respSent2
	return r.reply(now, out, send(r.s, r.seal([][]byte{r.ni}, isakmp.Nonce{Data: r.nr}, sa), 0)), nil
}

// Keys answers WantKeys: it sends message 4, which waits for the Persist after. The offer must announce the SAs of
// message 2, or ErrStale says that the group has moved on: Refuse then, and the member starts again. The offer
// stays the caller's.
func (r *Responder) Keys(now machine.Now, offer *Offer, after machine.PersistID, out machine.Effects) (machine.Effects, error) {
	if r.state != respWantKeys {
		return out, ignore(unexpected("nobody waits for keys"))
	}
	if err := r.alive(); err != nil {
		return out, err
	}
	if offer.CounterMode() && len(offer.SIDs) == 0 {
		return out, ignore(unsupported("keys of a counter-mode cipher without a sender id (RFC 6407 §5.6.4.4)"))
	}
	if !offer.sameSAs(r.policy) {
		return out, ignore(ErrStale)
	}
	kd := offer.KD(true)
	defer WipeKD(kd)
	if err := isakmp.CheckSize(kd); err != nil {
		return out, r.fail(err)
	}
	var ps []isakmp.Payload
	if offer.KEK != nil {
		ps = append(ps, isakmp.SEQ{Number: offer.Seq})
	}
	r.state = respDone
	return r.reply(now, out, send(r.s, r.seal([][]byte{r.ni, r.nr}, append(ps, kd)...), after)), nil
}

// Refuse answers either request with a Notify under the phase-1 SA, and the exchange is over. Its data is the
// message id of this exchange, so that a member with several can tell them apart.
func (r *Responder) Refuse(now machine.Now, why isakmp.NotifyType, out machine.Effects) machine.Effects {
	return r.refuse(now, why, binary.BigEndian.AppendUint32(nil, r.id), out)
}

// RefuseFor ends the exchange because this key server cannot answer yet, and says when to ask again: a TRY-LATER whose data
// is the message id and 4 octets of milliseconds.
func (r *Responder) RefuseFor(now machine.Now, wait time.Duration, out machine.Effects) machine.Effects {
	ms := uint32(min(max(wait, minRetryAfter), maxRetryAfter) / time.Millisecond)
	return r.refuse(now, isakmp.TryLater, binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, r.id), ms), out)
}

func (r *Responder) refuse(now machine.Now, why isakmp.NotifyType, data []byte, out machine.Effects) machine.Effects {
	if r.state != respWantPolicy && r.state != respWantKeys {
		return out
	}
	i, c := r.s.Cookies()
	r.state = respRefused
	return r.reply(now, out, r.s.Informational(nil, &isakmp.Notify{
		DOI: isakmp.DOIGDOI, Protocol: isakmp.ProtoISAKMP, SPI: append(i[:], c[:]...), MsgType: why,
		Data: data,
	})...)
}

// reply sends, and remembers for an identical request.
func (r *Responder) reply(now machine.Now, out machine.Effects, effects ...machine.Effect) machine.Effects {
	r.answer = effects
	r.limit(now)
	return append(out, effects...)
}

// alive fails when phase 1 has ended while the key server was thinking.
func (r *Responder) alive() error {
	if s := r.s.State(); s != ike1.StateEstablished {
		return r.fail(unexpected("the phase-1 SA is %v", s))
	}
	return nil
}

// Done says that message 4 has been built.
func (r *Responder) Done() bool { return r.state == respDone }

// Deadline says when the exchange has been kept for long enough: its member has gone, or will not ask again.
func (r *Responder) Deadline() (machine.Instant, bool) { return r.end, r.timed }

// Timeout says whether the exchange is over and can be forgotten.
func (r *Responder) Timeout(now machine.Now) bool { return r.timed && now.Mono >= r.end }

func (r *Responder) fail(err error) *Error {
	r.Destroy()
	return fatal(err)
}

// Destroy ends the exchange. It holds no key in clear: offers stay the caller's, plaintexts are wiped at once.
func (r *Responder) Destroy() { r.state, r.answer, r.policy = respFailed, nil, nil }
