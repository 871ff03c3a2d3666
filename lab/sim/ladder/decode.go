package ladder

import (
	"crypto/sha256"
	"fmt"
	"net/netip"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/push"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// Kinds of exchanges, for choosing.
const (
	Phase1 = "phase1"
	Pull   = "pull"
	Push   = "push"
	Coop   = "coop"
	Inform = "informational"
)

// Message is what a datagram says, in words.
type Message struct {
	Kind     string // Phase1, Pull, Push, Coop or Inform; empty: none of them
	Title    string // "GROUPKEY-PULL 3"
	Header   string // of ISAKMP: cookies, message id, flags, length
	Payloads []string

	repeat int
	same   string // who got the same octets first
}

// sa is a phase-1 SA.
type sa struct {
	hash      machine.Hash
	key       []byte
	first     []byte // IV of message 5
	fifth     []byte // last block of message 5
	last      []byte // of message 6: exchanges begin from it
	initiator netip.AddrPort
	exchanges map[uint32]*exchange
	ended     map[uint64]bool
}

// exchange is one under an SA.
type exchange struct {
	iv    []byte
	count int
}

type cookies [16]byte

// decoder knows the keys of a run.
type decoder struct {
	kek   func(gdoi.KEKSPI) (key, iv []byte, ok bool)
	sas   map[cookies]*sa
	known map[[32]byte]Message // decoded before: a repetition has the same octets, and its place in a chain has gone
	first map[isakmp.Cookie]int
}

func newDecoder(kek func(gdoi.KEKSPI) (key, iv []byte, ok bool)) *decoder {
	return &decoder{kek: kek, sas: map[cookies]*sa{}, known: map[[32]byte]Message{}, first: map[isakmp.Cookie]int{}}
}

func cookiesOf(i, r isakmp.Cookie) (c cookies) {
	copy(c[:8], i[:])
	copy(c[8:], r[:])
	return c
}

// agreed takes the keys of an SA; both ends have the same.
func (d *decoder) agreed(i, r isakmp.Cookie, p suite.Phase1, k *suite.Phase1Keys) {
	c := cookiesOf(i, r)
	if d.sas[c] == nil {
		d.sas[c] = &sa{
			hash: p.Hash, key: append([]byte(nil), k.CipherKey.Bytes()...), first: append([]byte(nil), k.FirstIV...),
			exchanges: map[uint32]*exchange{}, ended: map[uint64]bool{},
		}
	}
}

// decode says what a datagram is.
func (d *decoder) decode(from netip.AddrPort, b []byte) Message {
	digest := sha256.Sum256(b)
	if m, ok := d.known[digest]; ok {
		return m
	}
	m := d.fresh(from, b)
	d.known[digest] = m
	return m
}

func (d *decoder) fresh(from netip.AddrPort, b []byte) Message {
	h, err := isakmp.ParseHeader(b)
	if err != nil {
		return Message{Title: fmt.Sprintf("%d octets that are no ISAKMP", len(b)), Payloads: []string{err.Error()}}
	}
	m := Message{Header: fmt.Sprintf("HDR%s %v:%v %v, message %08x, flags %v, %d octets", star(h), short(h.InitiatorCookie), short(h.ResponderCookie), h.Exchange, h.MessageID, h.Flags, h.Length)}
	c := cookiesOf(h.InitiatorCookie, h.ResponderCookie)
	body, next := b[isakmp.HeaderLen:], h.NextPayload
	switch h.Exchange {
	case isakmp.ExchangeMainMode:
		m.Kind = Phase1
		body, m.Title = d.mainMode(h, c, from, b)
	case isakmp.ExchangeGroupkeyPush:
		m.Kind, m.Title = Push, "GROUPKEY-PUSH"
		m.Header = fmt.Sprintf("HDR* KEK %v, %d octets", push.SPIOf(h), h.Length)
		body = d.rekey(h, body)
	case isakmp.ExchangeGroupkeyPushAck:
		m.Kind, m.Title = Push, "GROUPKEY-PUSH-ACK"
		m.Header = fmt.Sprintf("HDR KEK %v, %d octets", push.SPIOf(h), h.Length)
	case isakmp.ExchangeGroupkeyPull, isakmp.ExchangeInformational, isakmp.ExchangeCoop:
		m.Kind = map[isakmp.ExchangeType]string{isakmp.ExchangeGroupkeyPull: Pull, isakmp.ExchangeInformational: Inform, isakmp.ExchangeCoop: Coop}[h.Exchange]
		var n int
		if h.Flags&isakmp.FlagEncrypted != 0 {
			body, n = d.under(h, c, b)
		}
		switch m.Kind {
		case Pull:
			m.Title = fmt.Sprintf("GROUPKEY-PULL %d", n)
		case Coop:
			m.Title = "COOP"
		default:
			m.Title = "INFORMATIONAL"
		}
	default:
		m.Title = h.Exchange.String()
	}
	if body == nil {
		m.Payloads = []string{"encrypted under a key that this run did not show"}
		return m
	}
	chain, _, err := isakmp.ParseChain(next, body)
	if err != nil {
		m.Payloads = []string{"cannot be read: " + err.Error()}
		return m
	}
	x := context{m: &m, d: d, sa: d.sas[c], exchange: h.Exchange}
	for _, p := range chain {
		m.Payloads = append(m.Payloads, x.payload(p))
	}
	clear(bodyIfOurs(b, body))
	return m
}

// bodyIfOurs is a plaintext that was decrypted here, to be wiped.
func bodyIfOurs(b, body []byte) []byte {
	if len(body) > 0 && len(b) > isakmp.HeaderLen && &body[0] == &b[isakmp.HeaderLen] {
		return nil
	}
	return body
}

func star(h isakmp.Header) string {
	if h.Flags&isakmp.FlagEncrypted != 0 {
		return "*"
	}
	return ""
}

func short(c isakmp.Cookie) string { return c.String()[:8] }

// mainMode numbers the messages of a negotiation and decrypts the last two.
func (d *decoder) mainMode(h isakmp.Header, c cookies, from netip.AddrPort, b []byte) (body []byte, title string) {
	body = b[isakmp.HeaderLen:]
	if h.Flags&isakmp.FlagEncrypted == 0 {
		d.first[h.InitiatorCookie]++
		if d.first[h.InitiatorCookie] == 1 {
			d.sas[cookiesOf(h.InitiatorCookie, isakmp.Cookie{})] = &sa{initiator: from}
		}
		return body, fmt.Sprintf("MAIN MODE %d", min(4, d.first[h.InitiatorCookie]))
	}
	s := d.sas[c]
	if s == nil {
		return nil, "MAIN MODE"
	}
	begin := d.sas[cookiesOf(h.InitiatorCookie, isakmp.Cookie{})]
	iv, n := s.first, 5
	if begin == nil || begin.initiator != from {
		iv, n = s.fifth, 6
	}
	plain, err := suite.DecryptCBC(s.key, iv, body)
	if err != nil {
		return nil, fmt.Sprintf("MAIN MODE %d", n)
	}
	end := append([]byte(nil), b[len(b)-len(iv):]...)
	if n == 5 {
		s.fifth = end
	} else {
		s.last = end
	}
	return plain, fmt.Sprintf("MAIN MODE %d", n)
}

// under decrypts a message of an exchange under a phase-1 SA, and says which it is of the exchange.
func (d *decoder) under(h isakmp.Header, c cookies, b []byte) (plain []byte, n int) {
	s := d.sas[c]
	if s == nil || s.last == nil {
		return nil, 0
	}
	x := s.exchanges[h.MessageID]
	if x == nil {
		x = &exchange{iv: suite.ExchangeIV(s.hash, s.last, h.MessageID)}
		s.exchanges[h.MessageID] = x
	}
	plain, err := suite.DecryptCBC(s.key, x.iv, b[isakmp.HeaderLen:])
	if err != nil {
		return nil, 0
	}
	x.iv, x.count = append([]byte(nil), b[len(b)-len(x.iv):]...), x.count+1
	return plain, x.count
}

// rekey decrypts a PUSH.
func (d *decoder) rekey(h isakmp.Header, body []byte) []byte {
	key, iv, ok := d.kek(push.SPIOf(h))
	if !ok {
		return nil
	}
	plain, err := suite.DecryptCBC(key, iv, body)
	if err != nil {
		return nil
	}
	return plain
}
