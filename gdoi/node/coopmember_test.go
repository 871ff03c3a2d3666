package node

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/keyserver"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/member"
)

var ownSigners = sync.OnceValue(func() map[string]*rsa.PrivateKey {
	out := map[string]*rsa.PrivateKey{}
	for _, name := range []string{"sig1", "sig2", "sig3"} {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		out[name] = k
	}
	return out
})

// custody is the key that signs under a name.
func custody(name string) *rsa.PrivateKey {
	if k := ownSigners()[name]; k != nil {
		return k
	}
	return rsaKey()
}

// ownKeys gives each key server a signing key that no other one has.
func ownKeys(t testing.TB, more func(*keyserver.Config)) func(*keyserver.Config) {
	n := 0
	return func(c *keyserver.Config) {
		n++
		c.SignKey = fmt.Sprintf("sig%d", n)
		der, err := x509.MarshalPKIXPublicKey(&custody(c.SignKey).PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		c.SignPublic = der
		more(c)
	}
}

func (m *realmMember) info(now machine.Now) member.Snapshot { return m.n.Snapshot(now).Groups[0] }

// registrations is how often each member has registered.
func (r *realm) registrations() map[*realmMember]uint64 {
	out := map[*realmMember]uint64{}
	for _, m := range r.members {
		out[m] = m.info(r.now).Registrations
	}
	return out
}

// TestKeyServersWithKeysOfTheirOwn: members take the rekeys of whoever is primary, signed with its own key, whichever key
// server they registered with; and when all that they registered with are dead.
func TestKeyServersWithKeysOfTheirOwn(t *testing.T) {
	f := newFleet(t, 3, coop.FastTimers, ownKeys(t, short))
	f.run(5 * time.Second)
	rekeyed := func(by int) {
		t.Helper()
		registrations, rekeys := f.registrations(), map[*realmMember]uint64{}
		for _, m := range f.members {
			rekeys[m] = m.info(f.now).RekeysReceived
		}
		f.run(7 * time.Minute) // a rollover at least
		for i, m := range f.members {
			s := m.info(f.now)
			if s.RekeyedBy != f.servers[by].addr || s.RekeysReceived < rekeys[m]+1 || len(s.SigningKeys) != 3 {
				t.Errorf("member %d has %d rekeys, before it were %d, the last from %v, and trusts %d keys", i, s.RekeysReceived, rekeys[m], s.RekeyedBy, len(s.SigningKeys))
			}
			at := 0
			for _, k := range s.SigningKeys { // who signed last is known with its key, and no key is two servers'
				if k.Seen == f.servers[by].addr {
					at++
				}
			}
			if at != 1 || len(s.SigningKeys) != 3 || s.RekeysSince > s.RekeysReceived {
				t.Errorf("member %d holds %+v; %d keys are of who rekeyed", i, s.SigningKeys, at)
			}
			if n := s.Registrations - registrations[m]; n > 2 {
				t.Errorf("member %d registered %d times in a rollover", i, n)
			}
			if n := drops(m.n.Snapshot(f.now).Drops, "bad-signature"); n != 0 {
				t.Errorf("member %d dropped %d rekeys for their signature", i, n)
			}
		}
		f.wantTogether()
	}
	rekeyed(0)
	f.servers[0].dead = true
	f.run(2 * time.Second)
	rekeyed(1)
	f.servers[1].dead = true
	f.run(2 * time.Second)
	rekeyed(2)
	f.boot(f.servers[0])
	f.boot(f.servers[1])
	f.run(5 * time.Second)
	f.settled()
	rekeyed(2)
	if f.notes[gdoi.NoteKeysExpired] != 0 {
		t.Errorf("%d times a member was without keys", f.notes[gdoi.NoteKeysExpired])
	}
}

// TestMembersAcknowledgeWhereverTheyRegistered: also those that have registered with a secondary, and so have no place in the key tree;
// they alone register again when somebody is removed, and acknowledge as before.
func TestMembersAcknowledgeWhereverTheyRegistered(t *testing.T) {
	f := newFleet(t, 6, coop.FastTimers, short)
	acknowledged := func() {
		t.Helper()
		p := f.settled()
		f.wantAnswer(p, gdoi.CmdRekey{Group: "blue"}, "new TEK")
		f.run(30 * time.Second)
		for _, m := range p.n.Snapshot(f.now).Groups[0].Members {
			if !m.Acks || m.AckedSeq == 0 || m.Missed != 0 {
				t.Errorf("%v, registered with key server %d, in the key tree %t: is asked %t, has acknowledged %x, missed %d", m.Addr, m.KeyServer, m.KeyTree, m.Acks, m.AckedSeq, m.Missed)
			}
		}
	}
	acknowledged()
	before, in := f.registrations(), map[*realmMember]bool{}
	for _, m := range f.members {
		in[m] = m.info(f.now).KeyTree
		if in[m] != (m.info(f.now).RegisteredWith == f.servers[0].addr) {
			t.Errorf("%v, registered with %v: in the key tree %t", m.addr, m.info(f.now).RegisteredWith, in[m])
		}
	}
	f.wantAnswer(f.servers[0], gdoi.CmdRemoveMember{Group: "blue", Members: []string{f.members[0].addr.Addr().String()}}, "removed")
	f.run(time.Minute)
	for m, n := range f.registrations() {
		if m != f.members[0] && (n == before[m]) != in[m] {
			t.Errorf("%v, in the key tree %t, registered %d times, %d before the removal", m.addr, in[m], n, before[m])
		}
	}
	acknowledged()
}

// TestMembersWaitForAPrimary: all start at the same time; nobody fails, and everybody is there soon after the election.
func TestMembersWaitForAPrimary(t *testing.T) {
	for name, timers := range map[string]coop.Timers{"default": coop.DefaultTimers, "fast": coop.FastTimers} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, 9, timers, short)
			since := f.info(f.servers[0]).PrimarySince
			for i, m := range f.members {
				if s := m.info(f.now); s.RegisteredAt.Sub(since) > 2500*time.Millisecond || s.Registrations != 1 {
					t.Errorf("member %d registered %v after the election, %d times", i, s.RegisteredAt.Sub(since), s.Registrations)
				}
			}
			if n := f.notes[gdoi.NoteRegisterFailed]; n != 0 {
				f.fatal("%d registrations failed", n)
			}
			t.Logf("told to wait: %d of %d", f.notes[gdoi.NoteRegisterLater], len(f.members))
		})
	}
}
