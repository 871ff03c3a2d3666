package node

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/keyserver"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// TestFleetRotates replaces the signature key of the primary, and of a secondary, and has the primary die at different times:
// nobody loses anybody, and in the end the old key is destroyed where it was, once.
func TestFleetRotates(t *testing.T) {
	public, err := x509.MarshalPKIXPublicKey(&rsaKey().PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	for at := range 2 {
		for _, dies := range []time.Duration{0, time.Second, 15 * time.Second, 60 * time.Second} {
			t.Run(fmt.Sprintf("key server %d, the primary dies after %v", at+1, dies), func(t *testing.T) {
				f := newFleet(t, 6, calm, ownKeys(t, short))
				s, primary := f.servers[at], f.servers[0]
				f.run(time.Minute) // everybody has heard of all keys
				f.gaps = nil
				before := f.notes[gdoi.NoteGMRegistered]
				f.wantAnswer(s, gdoi.CmdRotate{Group: "blue", Key: "rotated", Public: public, ID: 1}, "rotated")
				f.wantAnswer(s, gdoi.CmdRotate{Group: "blue", Key: "again", Public: public, ID: 2}, "group blue")
				if dies > 0 {
					f.run(dies)
					primary.dead = true
				}
				f.run(4 * time.Minute)
				f.settled()
				f.wantTogether()
				if n := f.notes[gdoi.NoteGMRegistered]; dies == 0 && n != before {
					t.Errorf("%d members registered again", n-before)
				}
				f.run(7 * time.Minute)
				f.settled()
				f.wantTogether()
				restart := func(o *realmServer) {
					base := cmp.Or(o.cfg.SignBase, o.cfg.SignKey)
					if name := keyserver.SignerOf(stored(o.disk), "blue", base); name != base {
						o.cfg.SignBase, o.cfg.SignKey, o.cfg.SignPublic = base, name, public
					}
					f.boot(o)
				}
				if dies > 0 {
					if dies < 40*time.Second && len(f.asked) > 0 {
						t.Errorf("a key server is out of reach, and the custodies were asked for %q", f.asked)
					}
					restart(primary)
					f.run(4 * time.Minute)
					f.settled()
					f.wantTogether()
				}
				old := fmt.Sprintf("%d %d sig%d", s.id, machine.KeyDestroy, at+1)
				if !slices.Equal(f.asked, []string{old}) {
					t.Errorf("the custodies were asked for %q, not %q alone", f.asked, old)
				}
				if i := s.group().Snapshot(f.now).Signer; i.Key != "rotated" || i.Next != "" || len(i.Retiring) != 0 {
					t.Errorf("in the end it signs with %+v", i)
				}
				// A restart goes on with the new key, and the others know it.
				if restart(s); s.cfg.SignKey != "rotated" {
					t.Fatalf("a restart signs with %s", s.cfg.SignKey)
				}
				f.run(time.Minute)
				f.settled()
				f.wantTogether()
				if !bytes.Equal(s.group().AnnouncedKey(), public) {
					t.Error("the other key servers are told another key after a restart")
				}
			})
		}
	}
}

// TestFleetRotatesInASplit replaces a signature key on one side of a split, whose primary goes on as primary or not: when all
// meet again nobody has to register again, not even when the key server that has the new key takes over.
func TestFleetRotatesInASplit(t *testing.T) {
	public, err := x509.MarshalPKIXPublicKey(&rsaKey().PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	for at := range 2 {
		t.Run(fmt.Sprintf("key server %d", at+1), func(t *testing.T) {
			f := newFleet(t, 6, calm, ownKeys(t, short))
			s := f.servers[at]
			f.run(time.Minute)
			f.cut(0, 1, 1)
			f.run(10 * time.Second)
			f.wantAnswer(s, gdoi.CmdRotate{Group: "blue", Key: "rotated", Public: public, ID: 1}, "rotated")
			f.run(8 * time.Minute) // each side has keys of its own
			if len(f.asked) > 0 {
				t.Errorf("key servers are out of reach, and the custodies were asked for %q", f.asked)
			}
			before := f.notes[gdoi.NoteGMRegistered]
			f.heal()
			f.run(2 * time.Minute)
			f.settled()
			f.wantAnswer(f.servers[0], gdoi.CmdHandover{Group: "blue", To: "2", ID: 2}, "key server 2 is primary")
			f.run(2 * time.Minute)
			f.settled()
			if n := f.notes[gdoi.NoteGMRegistered]; n != before {
				f.fatal("%d registrations after the split", n-before)
			}
			if old := fmt.Sprintf("%d %d sig%d", s.id, machine.KeyDestroy, at+1); !slices.Equal(f.asked, []string{old}) {
				t.Errorf("the custodies were asked for %q, not %q alone", f.asked, old)
			}
		})
	}
}
