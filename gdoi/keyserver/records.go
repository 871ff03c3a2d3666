package keyserver

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/lkh"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/policy"
	"github.com/getvpn/getvpn/gdoi/pull"
	"github.com/getvpn/getvpn/gdoi/push"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// Records of a group, one JSON value each; the shell seals them. Times are wall time, since they outlive the process.
//
//	bucket "group/NAME"   counters          counters
//	                      policy            policyRecord
//	                      tek/SPI           tekRecord
//	                      kek/SPI           kekRecord; without the key if that is in the custody
//	                      member/KEY        memberRecord
//	                      removed/KEY       removalRecord
//	                      lkh/HEIGHT/POS    nodeRecord
//	                      lkh-stale         []lkh.NodeID
//	                      exclusion         exclusionRecord
//	                      ratchet/CONTEXT   ratchetRecord
//	                      descent           descentRecord, of several key servers; likewise:
//	                      reign             reignRecord
//	                      ended/KEY         endedRecord, KEY being that of a key
//	                      cut/SPI           cutRecord
//	                      merge             mergeRecord
//	                      time              timeRecord
//	                      sids/ID           sidRecord, of each key server
//	                      trust/ID          the public key of each key server, DER
//	                      transport/ID      the transport key of each key server's custody, if KEKs are in custodies
type counters struct {
	Epoch            uint64
	SPINext, SPIStep uint32
	SIDNext          uint64
	LKHHandle        uint32 `json:",omitempty"`
	// Of says which of several key servers wrote it; 0: there was only one.
	Of coop.ID `json:",omitempty"`
	// Anew is when the key server began without records.
	Anew time.Time `json:",omitzero"`
}

// policyRecord is what members were told last, and when it comes into force.
type policyRecord struct {
	List []string
	Mode gdoi.Mode
	At   time.Time
	// Former is in force until then.
	Former     []string  `json:",omitempty"`
	FormerMode gdoi.Mode `json:",omitempty"`
}

type tekRecord struct {
	SA                          string   `json:",omitempty"`
	Permits                     []string `json:",omitempty"` // the selectors; records of older versions have none
	Suite                       suite.ESP
	Key                         []byte
	Epoch                       uint64
	Created, SendAfter, Expires time.Time
	Stamped                     bool `json:",omitempty"`
}

type kekRecord struct {
	Suite                    suite.KEK
	Key, IV                  []byte
	Seq                      uint32
	SignKey                  string       `json:",omitempty"` // records of older versions do not say how it signs
	SignHash                 machine.Hash `json:",omitempty"`
	SignPublic               []byte       `json:",omitempty"`
	Created, Active, Expires time.Time
	Asks                     push.AckType   `json:",omitempty"`
	Multicast                netip.AddrPort `json:",omitzero"`
	// Floor is the window of sequence numbers from which this key server is sure that it has used none.
	Floor uint32 `json:",omitempty"`
	// Custody says that the key is in the custody, by the name that its SPI gives it; then there is no Key here. Wrapped is for
	// the custodies of other key servers.
	Custody bool               `json:",omitempty"`
	Wrapped map[coop.ID][]byte `json:",omitempty"`
	// Untold says that members have not been sent it.
	Untold bool `json:",omitempty"`
}

type memberRecord struct {
	Addr          netip.AddrPort
	IDType        uint8
	Identity      string
	GetVPN        bool
	Registered    time.Time
	Registrations uint64
	SIDs          []gdoi.SID
	Left          bool                `json:",omitempty"`
	Slot          *int                `json:",omitempty"`
	Cert          *policy.Certificate `json:",omitempty"`
	Asked         push.AckType        `json:",omitempty"`
	At            coop.ID             `json:",omitempty"` // where it registered
	Epoch         uint64              `json:",omitempty"` // of the newest TEK that it got there, of several key servers
	Leaf          []byte              `json:",omitempty"` // outside of the key tree
}

// validLeaf says whether the key of a leaf may have that many octets: those of AES.
func validLeaf(octets int) bool { return octets == 16 || octets == 24 || octets == 32 }

const (
	countersKey  = "counters"
	policyKey    = "policy"
	exclusionKey = "exclusion"
	staleKey     = "lkh-stale"
	tekKeyFormat = "tek/%08x"
)

func tekKey(s gdoi.SPI) string    { return fmt.Sprintf(tekKeyFormat, uint32(s)) }
func kekKey(s gdoi.KEKSPI) string { return "kek/" + s.String() }
func memberKey(key string) string { return "member/" + key }

func removedKey(key string) string { return "removed/" + key }

// Bucket is where the records of a group are.
func Bucket(group string) string { return "group/" + group }

func (g *Group) record(key string, value []byte) machine.Record {
	return machine.Record{Bucket: Bucket(g.cfg.Name), Key: key, Value: value}
}

// encode cannot fail for the records above.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("keyserver: " + err.Error())
	}
	return b
}

func (g *Group) countersRecord(now machine.Now) machine.Record {
	c := counters{Epoch: g.epoch, SPINext: g.spis.at, SPIStep: g.spis.stride, SIDNext: g.sidNext, LKHHandle: g.tree.Handle()}
	if g.cfg.Coop != nil {
		c.Of = g.cfg.Coop.ID
	}
	if g.replica.anew {
		c.Anew = now.WallAt(g.replica.anewAt)
	}
	return g.record(countersKey, encode(c))
}

func (g *Group) policyRecord(now machine.Now) machine.Record {
	if g.replica.standby && g.replica.policy == nil {
		return g.record(policyKey, nil)
	}
	return g.record(policyKey, encode(g.policyState(now)))
}

// policyState is what members were told: by the primary, where this is a copy.
func (g *Group) policyState(now machine.Now) policyRecord {
	if p := g.replica.policy; p != nil {
		r := *p
		r.At = now.WallAt(g.replica.policyAt)
		return r
	}
	return policyRecord{g.cfg.AccessList().Strings(), g.cfg.Mode, now.WallAt(g.policyAt), g.former.AccessList.Strings(), g.former.Mode}
}

func encodeTEK(now machine.Now, t *tek) []byte {
	if t == nil {
		return nil
	}
	return encode(tekRecord{t.chain.sa, t.chain.permits.Strings(), t.suite, t.key.Bytes(), t.epoch, now.WallAt(t.created), now.WallAt(t.sendAfter), now.WallAt(t.expires), t.stamped})
}

func encodeKEK(now machine.Now, k *kek) []byte {
	if k == nil {
		return nil
	}
	r := kekRecord{k.suite, nil, k.iv.Bytes(), k.seq, k.sign.key, k.sign.hash, k.sign.der, now.WallAt(k.created), now.WallAt(k.active), now.WallAt(k.expires), k.asks, k.dst, k.floor, k.name != "", k.wrapped, k.untold}
	if !r.Custody {
		r.Key = k.key.Bytes()
	}
	return encode(r)
}

func encodeMember(now machine.Now, m *member) []byte {
	if m == nil {
		return nil
	}
	r := memberRecord{
		Addr: m.peer.Addr, IDType: m.peer.IDType, Identity: m.peer.Identity, GetVPN: m.peer.GetVPN, Cert: m.peer.Cert,
		Registered: now.WallAt(m.registered), Registrations: m.registrations, SIDs: m.sids, Left: m.left, Asked: m.asked, At: m.at, Epoch: m.epoch,
	}
	if m.slot != noSlot {
		r.Slot = &m.slot
	}
	if m.loose != nil {
		r.Leaf = m.loose.Bytes()
	}
	return encode(r)
}

// restore reads the records of this group; false means that there are none. After an error nothing of them is used.
func (g *Group) restore(now machine.Now, stored []machine.Record) (bool, error) {
	found := false
	g.told = true
	for _, r := range stored {
		if r.Bucket != Bucket(g.cfg.Name) {
			continue
		}
		if err := g.restoreRecord(now, r); err != nil {
			g.forget()
			return false, fmt.Errorf("record %q: %w", r.Key, err)
		}
		found = found || r.Key == countersKey
	}
	if c := g.cfg.Coop; c != nil && found && !g.replica.ownSIDs && g.replica.alone > 0 {
		g.formerlyAlone(g.replica.alone)
	}
	if !found {
		g.forget()
		return false, nil
	}
	g.sortRestored()
	g.restoreTree()
	return true, nil
}

// sortRestored puts what was read, in any order, into its order.
func (g *Group) sortRestored() {
	g.sortKeys()
	sortRemovals(g.removed)
}

func (g *Group) sortKeys() {
	sort.SliceStable(g.teks, func(i, j int) bool { return g.teks[i].epoch < g.teks[j].epoch })
	sort.SliceStable(g.keks, func(i, j int) bool {
		a, b := g.keks[i], g.keks[j]
		return a.created < b.created || a.created == b.created && a.expires < b.expires
	})
}

// forget drops what restore has read.
func (g *Group) forget() {
	for _, t := range g.teks {
		t.key.Destroy()
	}
	for _, k := range g.keks {
		k.key.Destroy()
		k.iv.Destroy()
	}
	g.destroyRatchets()
	g.past, g.merging = past{}, nil
	g.tree.Destroy()
	for _, n := range g.tree.restored {
		n.Key.Destroy()
	}
	g.tree = keyTree{Tree: lkh.New(g.env, g.cfg.KEK, 0)}
	g.members.forget()
	g.removed, g.exclusion, g.time = nil, nil, pseudotime{}
	g.replica = replica{standby: g.cfg.Coop != nil}
	g.teks, g.keks, g.epoch, g.sidNext, g.told, g.policyAt, g.former = nil, nil, 0, g.cfg.SIDFirst, true, 0, pull.Former{}
}

var errRecord = errors.New("not a record of this version")

func (g *Group) restoreRecord(now machine.Now, r machine.Record) error {
	kind, name, _ := strings.Cut(r.Key, "/")
	switch kind {
	case countersKey:
		return g.restoreCounters(now, r.Value)
	case policyKey:
		return g.restorePolicy(now, r.Value)
	case "tek":
		return g.restoreTEK(now, name, r.Value)
	case "kek":
		return g.restoreKEK(now, name, r.Value)
	case "member":
		return g.restoreMember(now, name, r.Value)
	case "removed":
		return g.restoreRemoval(now, name, r.Value)
	case "lkh":
		return g.restoreNode(name, r.Value)
	case staleKey:
		return json.Unmarshal(r.Value, &g.tree.stale)
	case exclusionKey:
		return g.restoreExclusion(now, r.Value)
	case ratchetKey:
		return g.restoreRatchet(now, name, r.Value)
	case descentKey, reignKey, endedKind, cutKind, mergeKey:
		return g.restorePast(now, kind, name, r.Value)
	case timeKey:
		return g.restoreTime(now, r.Value)
	case sidsKind:
		return g.restoreSIDs(now, name, r.Value)
	case trustKind:
		return g.restoreTrust(name, r.Value)
	case transportKind:
		return g.restoreTransport(name, r.Value)
	}
	return errRecord
}

func (g *Group) restoreCounters(now machine.Now, b []byte) error {
	var c counters
	if err := json.Unmarshal(b, &c); err != nil {
		return err
	}
	if c.SPIStep&1 == 0 {
		return errRecord
	}
	g.epoch, g.spis = c.Epoch, spiWalk{c.SPINext, c.SPIStep}
	switch {
	case g.cfg.Coop != nil:
		if !c.Anew.IsZero() {
			g.replica.anew, g.replica.anewAt = true, now.MonoAt(c.Anew)
		}
		// The record of our sender ids says where they go on, unless there was only one key server.
		if c.Of == 0 {
			g.replica.alone = c.SIDNext
		}
	case c.Of != 0:
		// Other key servers have given ids, too: new ones only under new keys.
		g.sidNext = g.cfg.SIDFirst + g.cfg.SIDCount
	default:
		// The operator may have moved the range; ids of the old one must not come again under the same keys.
		g.sidNext = max(g.cfg.SIDFirst, c.SIDNext)
	}
	g.tree.restoredHandle = c.LKHHandle
	return nil
}

// span restores the instants of a key. A wall clock that went back while the process was down must not give a key
// more than its lifetime.
func span(now machine.Now, created, expires time.Time) (from, to machine.Instant) {
	life := max(0, expires.Sub(created))
	return now.MonoAt(created), min(now.MonoAt(expires), now.Mono.Add(life))
}

// restorePolicy remembers what members were told. If that is not what the configuration says now, it has changed while
// the key server was down.
func (g *Group) restorePolicy(now machine.Now, b []byte) error {
	var r policyRecord
	if err := json.Unmarshal(b, &r); err != nil {
		return err
	}
	if g.replica.standby {
		g.replica.policy, g.replica.policyAt = &r, now.MonoAt(r.At)
	}
	return g.judgePolicy(now, &r, now.MonoAt(r.At))
}

func (g *Group) judgePolicy(now machine.Now, r *policyRecord, at machine.Instant) error {
	g.told = slices.Equal(r.List, g.cfg.AccessList().Strings()) && r.Mode == g.cfg.Mode
	g.former.Mode = r.FormerMode
	former := r.Former
	if g.told || at > now.Mono {
		g.policyAt = min(at, now.Mono.Add(2*g.cfg.ActivationDelay))
	} else {
		former, g.former.Mode = r.List, r.Mode
	}
	var err error
	g.former.AccessList, err = policy.ParseList(strings.Join(former, "\n"))
	return err
}

func (g *Group) restoreTEK(now machine.Now, name string, b []byte) error {
	var r tekRecord
	if err := json.Unmarshal(b, &r); err != nil {
		return err
	}
	var spi gdoi.SPI
	if _, err := fmt.Sscanf(name, "%08x", &spi); err != nil || tekKey(spi) != "tek/"+name || spi < gdoi.MinSPI || !r.Suite.Valid() || len(r.Key) != r.Suite.KeymatLen() {
		return errRecord
	}
	permits, err := policy.ParseList(strings.Join(r.Permits, "\n"))
	if err != nil || len(permits) == 0 && len(g.chains) != 1 {
		// Of a version, or a time, in which the group had one SA: nobody knows what the key protects now.
		return errRecord
	}
	t := &tek{spi: spi, suite: r.Suite, key: machine.TakeSecret(r.Key), epoch: r.Epoch, chain: g.chainFor(r.SA, permits, r.Suite), stamped: r.Stamped}
	t.created, t.expires = span(now, r.Created, r.Expires)
	t.sendAfter = min(now.MonoAt(r.SendAfter), t.expires)
	g.teks = append(g.teks, t)
	return nil
}

func (g *Group) restoreKEK(now machine.Now, name string, b []byte) error {
	var r kekRecord
	if err := json.Unmarshal(b, &r); err != nil {
		return err
	}
	spi, err := hex.DecodeString(name)
	if err != nil || len(spi) != len(gdoi.KEKSPI{}) || kekKey(gdoi.KEKSPI(spi)) != "kek/"+name || r.Suite.KeyLen() == 0 || len(r.IV) != r.Suite.IVLen() {
		return errRecord
	}
	if !validCopies(r.Wrapped) || r.Custody && len(r.Key) != 0 || !r.Custody && (len(r.Key) != r.Suite.KeyLen() || r.Wrapped != nil) {
		return errRecord
	}
	k := &kek{spi: gdoi.KEKSPI(spi), suite: r.Suite, iv: machine.TakeSecret(r.IV), seq: r.Seq, asks: r.Asks, dst: r.Multicast, floor: r.Floor, wrapped: r.Wrapped, untold: r.Untold && r.Custody}
	if r.Custody {
		k.name = kekName(k.spi)
	} else {
		k.key = machine.TakeSecret(r.Key)
	}
	k.sign = g.signing()
	if r.SignKey != "" {
		if !suite.KnownHash(r.SignHash) {
			return errRecord
		}
		k.sign = signing{key: r.SignKey, hash: r.SignHash, der: r.SignPublic}
		if k.sign.public, err = suite.ParseSignatureKey(r.SignPublic); err != nil {
			return err
		}
		k.sign.hash = k.sign.public.Hash(r.SignHash)
	}
	k.created, k.expires = span(now, r.Created, r.Expires)
	k.active = min(now.MonoAt(r.Active), k.expires)
	g.keks = append(g.keks, k)
	return nil
}

func (g *Group) restoreMember(now machine.Now, key string, b []byte) error {
	var r memberRecord
	if err := json.Unmarshal(b, &r); err != nil {
		return err
	}
	p := Peer{Addr: r.Addr, IDType: r.IDType, Identity: r.Identity, GetVPN: r.GetVPN, Cert: r.Cert}
	leaf := machine.TakeSecret(r.Leaf)
	if !r.Addr.IsValid() || p.key() != key {
		leaf.Destroy()
		return errRecord
	}
	m := g.members.put(p)
	if r.Slot == nil && validLeaf(leaf.Len()) {
		m.holdLeaf(leaf)
	} else { // the tree has its leaf, or it has none and is not asked: no reason to give up all other records
		leaf.Destroy()
	}
	m.registered, m.registrations, m.sids, m.left = min(now.MonoAt(r.Registered), now.Mono), r.Registrations, slices.Clone(r.SIDs), r.Left
	m.asked, m.at, m.epoch = r.Asked, r.At, r.Epoch
	if r.Slot != nil {
		m.slot = *r.Slot
	}
	g.watch(m)
	return nil
}

// discard deletes the records of this group.
func (g *Group) discard(stored []machine.Record, out machine.Effects) machine.Effects {
	var dead []machine.Record
	for _, r := range stored {
		if r.Bucket == Bucket(g.cfg.Name) {
			dead = append(dead, machine.Record{Bucket: r.Bucket, Key: r.Key})
		}
	}
	id := g.env.NextPersist()
	mark(&g.durable.waiting, id, nil)
	return append(out, machine.Persist{ID: id, Records: dead})
}
