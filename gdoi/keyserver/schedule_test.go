package keyserver

import (
	"encoding/hex"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/machine"
)

func continuing(t testing.TB, id coop.ID) Config {
	cfg := testConfig(t)
	cfg.Coop = &Cooperation{ID: id, IDs: []coop.ID{1, 2, 3}, Split: coop.Continue}
	return cfg
}

// TestRatchetVectors: the derivation of the comment of ratchet, computed with another implementation of RFC 5869
// (testdata/ratchet.py).
func TestRatchetVectors(t *testing.T) {
	r := &ratchet{secret: machine.NewSecret([]byte("0123456789abcdef0123456789abcdef")), step: 7}
	for _, v := range []struct {
		what string
		n    int
		want string
	}{
		{"key", 36, "32af3b433cc0a9f89075450d187d066aa0fecc88e958913909706e566662a8024bcbcc07"},
		{"spi", 4, "b292839a"},
		{"iv", 16, "30fec8479bdf325379adc73feb8310b7"},
	} {
		if got := hex.EncodeToString(r.expand(v.what, "0badcafe", v.n).Bytes()); got != v.want {
			t.Errorf("%s is %s; want %s", v.what, got, v.want)
		}
	}
	old := r.secret
	r.turn("0badcafe")
	if got := hex.EncodeToString(r.secret.Bytes()); got != "7f754570b9004d6a7c75521f30161c8ee3401d0bc60756236fc5c88bf682044e" || r.step != 8 || old.Len() != 0 {
		t.Errorf("the next secret is %s at step %d, the old one has %d octets", got, r.step, old.Len())
	}
	r.stir([]byte("fresh randomness"), 1)
	if got := hex.EncodeToString(r.secret.Bytes()); got != "735e5369bf797012fd3efc96a9ef073146f3d9bde8bb91473d65cf18a17f4b6b" {
		t.Errorf("with fresh randomness it is %s", got)
	}
}

// TestSidesDeriveTheSame: two key servers that begin with the same records, and hear nothing of each other, make the same
// keys with the same ends, for days, though one of them notices late, was restarted, and missed a whole key.
func TestSidesDeriveTheSame(t *testing.T) {
	one := newShell(t, continuing(t, 1))
	one.run(10 * time.Minute)
	two := &shell{t: t, now: one.now, disk: map[string]machine.Record{}, lives: 100}
	for k, r := range one.disk {
		two.disk[k] = r
	}
	two.start(continuing(t, 2))
	seen := map[string]bool{}
	for hour := range 60 {
		switch hour {
		case 20: // two is late by half a minute
			two.advance(two.now.Mono.Add(57 * time.Minute))
			two.do(two.g.Timeout(two.now, nil))
			two.run(3 * time.Minute)
		case 30: // two was down for three hours
			two.advance(two.now.Mono.Add(time.Hour))
		case 31:
			two.advance(two.now.Mono.Add(time.Hour))
		case 32:
			two.advance(two.now.Mono.Add(time.Hour))
			two.start(continuing(t, 2))
		default:
			two.run(time.Hour)
		}
		one.run(time.Hour)
		if hour >= 30 && hour <= 32 {
			continue
		}
		a, b := one.g.newest(one.g.chains[0]), two.g.newest(two.g.chains[0])
		if a.spi != b.spi || !a.key.Equal(b.key) || a.expires != b.expires {
			t.Fatalf("hour %d: TEKs %v until %v and %v until %v", hour, a.spi, a.expires, b.spi, b.expires)
		}
		if a.spi&spiNumbers != 0 {
			t.Errorf("SPI %v has the number of a key server", a.spi)
		}
		k, l := one.g.keks[len(one.g.keks)-1], two.g.keks[len(two.g.keks)-1]
		if k.spi != l.spi || !k.key.Equal(l.key) || !k.iv.Equal(l.iv) || k.expires != l.expires {
			t.Fatalf("hour %d: KEKs %v until %v and %v until %v", hour, k.spi, k.expires, l.spi, l.expires)
		}
		seen[a.spi.String()], seen[k.spi.String()] = true, true
	}
	if len(seen) < 55 {
		t.Errorf("%d keys in 60 hours", len(seen))
	}
}

// TestScheduleBreaks: who is removed may get the keys that others would derive, so those after it are others.
func TestScheduleBreaks(t *testing.T) {
	one := newShell(t, continuing(t, 1))
	one.mustRegister(testPeer(1))
	two := &shell{t: t, now: one.now, disk: map[string]machine.Record{}, lives: 100}
	for k, r := range one.disk {
		two.disk[k] = r
	}
	two.start(continuing(t, 2))
	one.remove("10.1.0.1")
	for range 3 {
		one.run(time.Hour)
		two.run(time.Hour)
		a, b := one.g.newest(one.g.chains[0]), two.g.newest(two.g.chains[0])
		if a.key.Equal(b.key) || one.g.keks[0].key.Equal(two.g.keks[0].key) {
			t.Fatal("a side that removed somebody has keys that the other one derives")
		}
	}
}

// TestScheduleIsRecord: ratchets are wiped with the group, and stored ones that are no ratchets are refused.
func TestScheduleIsRecord(t *testing.T) {
	s := newShell(t, continuing(t, 1))
	var r *ratchet
	for context, o := range s.g.ratchets {
		r = o
		value := s.disk[ratchetName(context)].Value
		if err := s.g.restoreRatchet(s.now, context, value); err != nil || !s.g.ratchets[context].secret.Equal(o.secret) || s.g.ratchets[context].ends != o.ends {
			t.Errorf("the record is read as something else: %v", err)
		}
		if s.g.restoreRatchet(s.now, "kek", value) == nil || s.g.restoreRatchet(s.now, context, []byte(`{"Seed":"0000000000000000","Secret":"AAAA"}`)) == nil {
			t.Error("a record that is no ratchet is read")
		}
		s.g.ratchets[context] = o
	}
	if len(s.g.ratchets) != 2 {
		t.Errorf("%d ratchets; want one for the TEKs and one for the KEKs", len(s.g.ratchets))
	}
	s.g.Stop()
	if r.secret.Len() != 0 {
		t.Error("a ratchet survives its group")
	}
}
