package sim

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sort"
	"time"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/node"
)

// Node is a process that can crash. Only its disk survives.
type Node struct {
	s       *Sim
	index   int
	Name    string
	Addr    netip.AddrPort
	other   netip.AddrPort // of the other family; zero: it has none
	disk    map[diskKey][]byte
	island  int
	joined  map[netip.AddrPort]bool // multicast groups
	deaf    bool                    // no multicast reaches it
	ppm     int64                   // of its oscillator
	wall    time.Duration           // that its wall clock was set by
	boot    int
	started time.Time // of this life, by its own clock

	life      int // counts starts: what was asked in an earlier life is not answered in this one
	m         machine.Machine
	timer     machine.Instant // the deadline that is in the queue
	timed     bool
	paused    bool
	stop      bool // it ends when it has answered
	backlog   []waiting
	held      map[machine.PersistID][]machine.Send
	written   map[machine.PersistID]bool
	pending   []transaction        // that the store was asked for in this life, and has not written
	slow      time.Duration        // what every write takes longer
	writes    machine.Instant      // when the store has done what it was asked so far
	crashIn   int                  // effects until a crash; negative: none
	next      *Part                // what it is about to become
	renewed   *config.Certificates // what it is about to have
	store     error
	custody   error
	token     *token // nil: KEKs are in the process
	unplugged bool   // the token of a member is not there
	guard     guard  // of a member that does not run
	router    bool   // its machine forwards packets, also without it
}

// transaction is one that the store was asked for. reached says that a crash finds it written, if it finds those before it.
type transaction struct {
	machine.Persist
	reached bool
}

type diskKey struct{ bucket, key string }

// Up says whether the node runs.
func (n *Node) Up() bool { return n.m != nil }

// KeyServer is the machine of a key server that runs, or nil.
func (n *Node) KeyServer() *node.KeyServer { ks, _ := n.m.(*node.KeyServer); return ks }

// Member is the machine of a member that runs, or nil.
func (n *Node) Member() *node.GroupMember { gm, _ := n.m.(*node.GroupMember); return gm }

// Start begins a new life from the disk.
func (n *Node) Start() {
	if n.Up() {
		return
	}
	n.life++
	n.stop = false
	n.started = n.clock().Wall
	n.s.record("start", n.index, nil)
	n.s.log(Entry{Kind: "start", Node: n.Name, Text: fmt.Sprintf("with %d records", len(n.disk))})
	var seed [32]byte
	binary.BigEndian.PutUint64(seed[:], n.s.cfg.Seed)
	binary.BigEndian.PutUint64(seed[8:], uint64(n.index))
	binary.BigEndian.PutUint64(seed[16:], uint64(n.life))
	env := machine.NewEnv(rand.NewChaCha8(seed))
	env.Boot = fmt.Sprint(n.Name, n.boot)
	n.joined = map[netip.AddrPort]bool{}
	n.writes = n.s.now
	n.held, n.written, n.timed, n.crashIn = map[machine.PersistID][]machine.Send{}, map[machine.PersistID]bool{}, false, -1
	var err error
	if n.index <= 0 {
		c := n.keyServerConfig()
		c.Phase1.KeyLog = n.s.Keys
		n.m, err = node.NewKeyServer(env, c, n.records())
	} else {
		c := n.s.cfg.groupMember(n.index)
		c.Phase1.KeyLog = n.s.Keys
		n.m, err = node.NewGroupMember(env, c)
	}
	if err != nil {
		panic(fmt.Sprintf("sim: %s: %v", n.Name, err))
	}
	if n.token != nil {
		n.tellToken() // its first step
		if n.Up() {
			n.tidy()
		}
		return
	}
	if n.unplugged {
		n.tellToken()
	}
	n.schedule()
}

// records is the disk, in order.
func (n *Node) records() []machine.Record {
	var out []machine.Record
	for k, v := range n.disk {
		out = append(out, machine.Record{Bucket: k.bucket, Key: k.key, Value: append([]byte(nil), v...)})
	}
	sort.Slice(out, func(i, j int) bool {
		a, b := out[i], out[j]
		return a.Bucket < b.Bucket || a.Bucket == b.Bucket && a.Key < b.Key
	})
	return out
}

// Crash ends this life at once.
func (n *Node) Crash() {
	if !n.Up() {
		return
	}
	n.s.record("crash", n.index, nil)
	n.s.log(Entry{Kind: "crash", Node: n.Name})
	// The store had got somewhere; transactions are written in order, and never by halves.
	for _, w := range n.pending {
		if !w.reached || n.store != nil {
			break
		}
		n.write(w.Persist)
	}
	if n.token != nil {
		n.token.crashed()
	}
	if n.index > 0 {
		n.guard = guard{known: true, stopped: n.stop && n.s.cfg.memberConfig(n.index).OnExit != "keep", policies: map[string]gdoi.SetPolicy{}}
		for _, p := range n.parts() {
			n.guard.policies[p.own.Name] = p.plane.policy
		}
	}
	n.m, n.paused, n.backlog, n.pending = nil, false, nil, nil
	for _, c := range n.s.checks {
		c.crashed(n)
	}
}

// CrashAfter lets the node carry out that many more effects and then crashes it, in the middle of a step as it may be.
func (n *Node) CrashAfter(effects int) { n.crashIn = effects }

// Erase wipes the disk.
func (n *Node) Erase() { clear(n.disk) }

// Deafen cuts the node off from multicast, or ends that.
func (n *Node) Deafen(on bool) { n.deaf = on }

// FailStore makes the store fail with an error from now on; nil repairs it.
func (n *Node) FailStore(err error) { n.store = err }

// FailCustody makes the key custody fail from now on; nil repairs it.
func (n *Node) FailCustody(err error) { n.custody = err }

// Do gives the node an event, a command for instance.
func (n *Node) Do(ev machine.Event) {
	if n.Up() {
		n.do(waiting{f: func() { n.step(ev) }})
	}
}

// step is one step of the machine and what follows from it.
func (n *Node) step(ev machine.Event) {
	n.s.stats.Steps++
	life := n.life
	for _, e := range n.m.Step(n.clock(), ev, nil) {
		if n.crashIn == 0 {
			n.Crash()
		}
		if !n.Up() || n.life != life {
			return
		}
		if n.crashIn > 0 {
			n.crashIn--
		}
		n.effect(e)
	}
	n.s.stepped(n)
	n.schedule()
}

// schedule puts the machine's deadline into the queue.
func (n *Node) schedule() {
	at, ok := n.m.Deadline()
	if !ok {
		return
	}
	at = max(n.when(at), n.s.now)
	if n.timed && n.timer <= at {
		return
	}
	n.timer, n.timed = at, true
	life := n.life
	n.s.After(at.Sub(n.s.now), func() {
		if !n.Up() || n.life != life || !n.timed || n.timer != n.s.now {
			return
		}
		n.timed = false
		n.do(waiting{timer: true, f: func() { n.step(machine.Timeout{}) }})
	})
}

func (n *Node) effect(e machine.Effect) {
	switch e := e.(type) {
	case machine.Send:
		n.s.record("send", n.index, e.Bytes)
		n.s.tells.pushed(e.Bytes)
		if e.After != 0 && !n.written[e.After] {
			n.held[e.After] = append(n.held[e.After], e)
			return
		}
		n.s.transmit(n, e.Remote, e.Bytes)
	case machine.Persist:
		n.persist(e)
	case machine.Sign:
		n.sign(e)
	case machine.KeyCall:
		n.keyCall(e)
	case machine.Note:
		n.s.record("note "+e.Name, n.index, []byte(e.Reason+e.Text))
		n.s.stats.Notes[e.Name]++
		n.s.logNote(n, e)
		if n.s.Journal != nil {
			n.s.Journal(n, n.clock(), e)
		}
		n.s.noted(n, e)
	case gdoi.CommandResult:
		n.s.record(fmt.Sprintf("%T", e), n.index, nil)
		n.s.log(Entry{Kind: "answer", Node: n.Name, Text: e.Text + e.Err})
		if n.s.Answer != nil {
			n.s.Answer(n, e)
		}
		if n.stop {
			n.later(0, n.Crash)
		}
	case gdoi.JoinMulticast:
		n.joined[e.Address] = true
	case gdoi.LeaveMulticast:
		delete(n.joined, e.Address)
	default:
		n.s.record(fmt.Sprintf("%T", e), n.index, nil)
		n.s.checkOf(groupOf(e)).effect(n, e)
	}
}

// later does something in this life, if it lasts.
func (n *Node) later(d time.Duration, f func()) {
	life := n.life
	n.s.After(d, func() {
		if n.Up() && n.life == life {
			f()
		}
	})
}

// persist writes after some milliseconds, in order, as the store of the daemon does it.
func (n *Node) persist(e machine.Persist) {
	n.s.record("persist", n.index, nil)
	n.s.Check.kekRecords(n, e)
	n.s.logPersist(n, e)
	life := n.life
	n.pending = append(n.pending, transaction{e, n.s.rng.IntN(2) == 0})
	n.writes = max(n.writes, n.s.now.Add(n.slow+time.Millisecond+time.Duration(n.s.rng.Int64N(int64(4*time.Millisecond)))))
	n.s.After(n.writes.Sub(n.s.now), func() {
		if !n.Up() || n.life != life {
			return
		}
		n.pending = n.pending[1:]
		err := n.store
		if err == nil {
			n.write(e)
		}
		n.do(waiting{f: func() {
			if err == nil {
				n.written[e.ID] = true
				for _, held := range n.held[e.ID] {
					n.s.transmit(n, held.Remote, held.Bytes)
				}
			}
			delete(n.held, e.ID)
			n.step(machine.Persisted{ID: e.ID, Err: err})
		}})
	})
}

// write is a transaction on the disk.
func (n *Node) write(e machine.Persist) {
	for _, r := range e.Records {
		if r.Value == nil {
			delete(n.disk, diskKey{r.Bucket, r.Key})
		} else {
			n.disk[diskKey{r.Bucket, r.Key}] = append([]byte(nil), r.Value...)
		}
	}
}

var errNoKey = errors.New("sim: no such key")

func (n *Node) sign(e machine.Sign) {
	n.s.record("sign", n.index, e.Digest)
	n.later(time.Millisecond+time.Duration(n.s.rng.Int64N(int64(20*time.Millisecond))), func() {
		ev := machine.Signed{ID: e.ID, Err: n.custody}
		if n.tokenGone() && ev.Err == nil {
			ev.Err = errTokenGone
		}
		if ev.Err == nil {
			ev.Signature, ev.Err = n.signature(e)
		}
		n.do(waiting{f: func() { n.step(ev) }})
	})
}
