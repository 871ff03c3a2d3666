package node

import (
	"encoding/json"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/keyserver"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/member"
	"github.com/getvpn/getvpn/gdoi/policy"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// red and green differ in all that a group can have of its own.
func red(t testing.TB) keyserver.Config {
	c := blue(t)
	c.Name, c.ID = "red", "red"
	c.Policy = accessList(t, "permit ip 10.1.0.0/16 10.1.0.0/16")
	c.TEKLifetime, c.ActivationDelay = 8*time.Minute, 10*time.Second
	c.Authorise = policy.Authorisation{{Prefix: netip.MustParsePrefix("10.1.0.0/16")}}
	return c
}

func green(t testing.TB) keyserver.Config {
	c := blue(t)
	c.Name, c.ID = "green", gdoi.GroupIDFromUint32(77)
	c.Policy = accessList(t, "permit ip 10.2.0.0/16 10.2.0.0/16")
	c.TEK, c.KEK, c.TEKLifetime, c.ActivationDelay = suite.ESPAES128GCM16, suite.KEKAES128CBC, time.Hour, time.Minute
	c.Authorise = policy.Authorisation{{Prefix: netip.MustParsePrefix("10.1.0.1/32")}}
	return c
}

func joins(names ...string) (out []member.Config) {
	ids := map[string]gdoi.GroupID{"red": "red", "green": gdoi.GroupIDFromUint32(77), "blue": blueID}
	for _, n := range names {
		out = append(out, member.Config{Name: n, ID: ids[n], KeyServers: []netip.AddrPort{ksAddr}})
	}
	return out
}

func spis(teks []gdoi.TEKInfo) (out []gdoi.SPI) {
	for _, t := range teks {
		out = append(out, t.SPI)
	}
	return out
}

// TestGroupsOfTheirOwn: gm1 may join red and green, gm2 only red but asks for both. Over one phase-1 session each, gm1 has
// both groups' own policies, suites and lifetimes, gm2 has red and nothing of green, however often it asks; and rekeys of
// red do not touch green.
func TestGroupsOfTheirOwn(t *testing.T) {
	w := newWorld(t)
	ks := w.keyServer(Limits{}, red(t), green(t))
	both, one := w.member(gm1, rightPSK, joins("red", "green")...), w.member(gm2, rightPSK, joins("green", "red")...)
	w.run(time.Minute)
	s, m1, m2 := ks.Snapshot(w.now), both.Snapshot(w.now), one.Snapshot(w.now)
	if s.Sessions != 2 || m1.Sessions != 1 {
		t.Errorf("%d sessions at the key server, %d at the member of both; want one for each member", s.Sessions, m1.Sessions)
	}
	for i, g := range m1.Groups {
		of := s.Groups[i]
		if g.State != member.Registered || !slices.Equal(spis(g.TEKs), spis(of.TEKs)) || g.KEKs[0].SPI != of.KEKs[0].SPI || g.TEKs[0].Suite != of.TEKs[0].Suite {
			t.Errorf("%s: member has %v, %+v; the key server has %+v", g.Name, g.State, g.TEKs, of.TEKs)
		}
	}
	if a, b := m1.Groups[0], m1.Groups[1]; a.Policy.Equal(b.Policy) || a.TEKs[0].Suite == b.TEKs[0].Suite || a.KEKs[0].Suite == b.KEKs[0].Suite ||
		a.TEKs[0].Lifetime != 8*time.Minute || b.TEKs[0].Lifetime != time.Hour {
		t.Errorf("red and green are not groups of their own: %+v, %+v", a, b)
	}
	refused, granted := m2.Groups[0], m2.Groups[1]
	if refused.State.HoldsKeys() || len(refused.TEKs)+len(refused.KEKs)+len(refused.Policy) != 0 || refused.AuthFailure == "" {
		t.Errorf("not authorised for green, it has %+v", refused)
	}
	if granted.State != member.Registered || granted.Attempts != 1 || len(s.Groups[1].Members) != 1 {
		t.Errorf("red, which it may join, is %v after %d attempts; green has %d members", granted.State, granted.Attempts, len(s.Groups[1].Members))
	}

	green := m1.Groups[1]
	w.run(30 * time.Minute)
	s, m1, m2 = ks.Snapshot(w.now), both.Snapshot(w.now), one.Snapshot(w.now)
	if m1.Groups[0].RekeysReceived < 3 || m2.Groups[1].RekeysReceived < 3 || m1.Groups[0].Registrations != 1 {
		t.Errorf("red: %d and %d rekeys, %d registrations", m1.Groups[0].RekeysReceived, m2.Groups[1].RekeysReceived, m1.Groups[0].Registrations)
	}
	if now := m1.Groups[1]; now.RekeysReceived != 0 || now.Registrations != 1 || !slices.Equal(spis(now.TEKs), spis(green.TEKs)) {
		t.Errorf("rekeys of red touched green: %+v, was %+v", now, green)
	}
	if one.groups[0].HoldsKEK(s.Groups[1].KEKs[0].SPI) {
		t.Error("the member without leave knows green's KEK")
	}
	w.wantNotes(gm1, gdoi.NoteRegisterFailed, 0)
}

// TestClearingOneGroup: a member that is taken off one group's list goes on with the other.
func TestClearingOneGroup(t *testing.T) {
	w := newWorld(t)
	ks := w.keyServer(Limits{}, red(t), green(t))
	gm := w.member(gm1, rightPSK, joins("red", "green")...)
	w.run(time.Minute)
	w.step(ksAddr, gdoi.CmdClearMember{Group: "red", Member: gm1.Addr().String(), ID: 1})
	w.run(time.Minute)
	m := gm.Snapshot(w.now)
	if m.Groups[0].Registrations != 2 || m.Groups[1].Registrations != 1 || m.Sessions != 1 {
		t.Errorf("%d and %d registrations; want red's alone to be new, over the same session", m.Groups[0].Registrations, m.Groups[1].Registrations)
	}
	if n := ks.Snapshot(w.now).Groups[1].Registrations; n != 1 {
		t.Errorf("green counts %d registrations", n)
	}
}

// TestSPIsOfAllGroups: two groups whose walks have come to the same place, one of which a restart finds with nothing but a
// TEK of that very SPI, never have one SPI at the same time.
func TestSPIsOfAllGroups(t *testing.T) {
	w := newWorld(t)
	w.keyServer(Limits{}, red(t), green(t))
	w.run(time.Minute)
	var counters map[string]any
	from := w.disk["group/red/counters"]
	if err := json.Unmarshal(from.Value, &counters); err != nil {
		t.Fatal(err)
	}
	// Green goes on where red did, and the next of them is a TEK that red has already.
	w.disk["group/green/counters"] = machine.Record{Bucket: "group/green", Key: "counters", Value: from.Value}
	ks := w.keyServer(Limits{}, green(t), red(t))
	seen := map[gdoi.SPI]string{}
	for i := range uint64(40) {
		for _, g := range []string{"green", "red"} {
			w.step(ksAddr, gdoi.CmdRekey{Group: g, ID: 1 + i})
		}
		for _, g := range ks.Snapshot(w.now).Groups {
			for _, spi := range spis(g.TEKs) {
				if owner := seen[spi]; owner != "" && owner != g.Name {
					t.Fatalf("round %d: %s has SPI %v of %s", i, g.Name, spi, owner)
				}
				seen[spi] = g.Name
			}
		}
		if i%10 == 9 {
			ks = w.keyServer(Limits{}, red(t), green(t)) // from its records
		}
		w.run(2 * time.Minute)
	}
	if len(seen) < 40 {
		t.Errorf("%d SPIs in all", len(seen))
	}
}

// TestStoredSPIsAreTaken: the group that starts first makes a new TEK while the other has not read its records yet.
func TestStoredSPIsAreTaken(t *testing.T) {
	w := newWorld(t)
	w.keyServer(Limits{}, red(t), green(t))
	w.run(time.Minute)
	var c struct {
		Epoch            uint64
		SPINext, SPIStep uint32
		SIDNext          uint64
	}
	r := w.disk["group/red/counters"]
	if err := json.Unmarshal(r.Value, &c); err != nil {
		t.Fatal(err)
	}
	held := keyserver.StoredSPIs([]machine.Record{{Bucket: "group/green", Key: "tek/" + only(t, w, "group/green/tek/")}})
	c.SPINext = uint32(held[0])
	r.Value, _ = json.Marshal(c)
	w.disk["group/red/counters"] = r
	delete(w.disk, "group/red/tek/"+only(t, w, "group/red/tek/"))
	ks := w.keyServer(Limits{}, red(t), green(t))
	w.run(time.Second)
	s := ks.Snapshot(w.now)
	if s.Groups[1].TEKs[0].SPI != held[0] || s.Groups[0].TEKs[0].SPI == held[0] {
		t.Errorf("red has %v, green %v; green had %v", spis(s.Groups[0].TEKs), spis(s.Groups[1].TEKs), held)
	}
}

// only is the one record under a prefix, without that prefix.
func only(t testing.TB, w *world, prefix string) (found string) {
	t.Helper()
	for k := range w.disk {
		if len(k) > len(prefix) && k[:len(prefix)] == prefix {
			if found != "" {
				t.Fatalf("two records %s", prefix)
			}
			found = k[len(prefix):]
		}
	}
	if found == "" {
		t.Fatalf("no record %s", prefix)
	}
	return found
}
