package node

import (
	"bytes"
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
				if s.dead {
					return
				}
				old := fmt.Sprintf("%d %d sig%d", s.id, machine.KeyDestroy, at+1)
				if !slices.Equal(f.asked, []string{old}) {
					t.Errorf("the custodies were asked for %q, not %q alone", f.asked, old)
				}
				if i := s.group().Snapshot(f.now).Signer; i.Key != "rotated" || i.Next != "" || len(i.Retiring) != 0 {
					t.Errorf("in the end it signs with %+v", i)
				}
				// A restart goes on with the new key, and the others know it.
				s.cfg.SignBase = s.cfg.SignKey
				if s.cfg.SignKey, s.cfg.SignPublic = keyserver.SignerOf(stored(s.disk), "blue", s.cfg.SignBase), public; s.cfg.SignKey != "rotated" {
					t.Fatalf("a restart would sign with %s", s.cfg.SignKey)
				}
				f.boot(s)
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
