package keyserver

import (
	"errors"
	"time"

	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// Cooperation says that several key servers run the group.
type Cooperation struct {
	// ID is the number of this key server, IDs all of them, this one included, ascending.
	ID    coop.ID
	IDs   []coop.ID
	Split coop.Split
}

// Why a standby group does not serve.
var (
	// ErrStandby: no primary, or not yet in step with it; the member may ask again soon.
	ErrStandby = errors.New("keyserver: waiting for a primary key server")
	// ErrNotPrimary: only the primary takes this command.
	ErrNotPrimary = errors.New("keyserver: this key server is secondary in the group")
)

// Active says whether this key server makes keys and sends rekeys: it is alone, or primary.
func (g *Group) Active() bool { panic("not yet") }

// SetReady says whether a standby group registers members; why not, if not.
func (g *Group) SetReady(ready bool, why string) { panic("not yet") }

// TakeOver makes the group active: with the keys that it has, in the next window of sequence numbers of this key server,
// or with fresh ones.
func (g *Group) TakeOver(now machine.Now, term uint64, out machine.Effects) machine.Effects {
	panic("not yet")
}

// StandDown makes the group standby: what is being sent ends. Keys and members stay, until Apply replaces them.
func (g *Group) StandDown(now machine.Now, out machine.Effects) machine.Effects { panic("not yet") }

// Head is the number of the last change that this active group made.
func (g *Group) Head() uint64 { panic("not yet") }

// Since lists the changes after number n, one record for each key, deletions too; Since(now, 0) is everything. Values
// hold keys: the caller wipes them.
func (g *Group) Since(now machine.Now, n uint64) []machine.Record { panic("not yet") }

// Replicated says that every live peer has all changes up to n: what waited for them goes out.
func (g *Group) Replicated(now machine.Now, n uint64, out machine.Effects) machine.Effects {
	panic("not yet")
}

// Apply takes changes of the primary into a standby group; full replaces all that it has. ahead is the sender's wall
// clock minus ours, and moves the times in the records. The PersistID is that of the write. Nothing changes after an error.
func (g *Group) Apply(now machine.Now, ahead time.Duration, records []machine.Record, full bool, out machine.Effects) (machine.Effects, machine.PersistID, error) {
	panic("not yet")
}

// Reports lists what a standby group did by itself, and the primary does not have yet: members that it registered, its
// sender ids. n names the last of them for Reported.
func (g *Group) Reports(now machine.Now) (records []machine.Record, n uint64) { panic("not yet") }

// Reported says that the primary has the reports up to n.
func (g *Group) Reported(n uint64) { panic("not yet") }

// Adopt takes the reports of a secondary into the active group.
func (g *Group) Adopt(now machine.Now, ahead time.Duration, from coop.ID, records []machine.Record, out machine.Effects) (machine.Effects, error) {
	panic("not yet")
}

// Merge takes all that another key server has (its Since(now, 0)) into the active group, which may have gone a way of its
// own since both were one: keys that are not known here are distributed beside ours, members, removals and sender ids are
// united. It says whether there was anything new.
func (g *Group) Merge(now machine.Now, ahead time.Duration, from coop.ID, records []machine.Record, out machine.Effects) (bool, machine.Effects, error) {
	panic("not yet")
}

// Trust notes the public key (DER SubjectPublicKeyInfo) that another key server signs PUSH messages with. Members are told
// of all keys that differ from the one that signs; where all key servers have one key there is nothing to tell.
func (g *Group) Trust(now machine.Now, id coop.ID, der []byte, out machine.Effects) machine.Effects {
	panic("not yet")
}

// Digest names what all key servers of a group must agree on; PolicyText says it in lines.
func (g *Group) Digest() [32]byte { panic("not yet") }

// PolicyText is what Digest is about, a line for each setting.
func (g *Group) PolicyText() []string { panic("not yet") }
