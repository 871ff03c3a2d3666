package sim

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/daemon/control/record"
)

// recorded plays a plan into a recording and opens that.
func recorded(t *testing.T, p Plan) (Outcome, *record.Recording, []byte) {
	t.Helper()
	var b bytes.Buffer
	w, err := record.NewWriter(&b, New(p.Config).Header("test"), record.Options{})
	if err != nil {
		t.Fatal(err)
	}
	o, err := PlayRecorded(p, false, w)
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	r, err := record.Read(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil || len(r.Notes()) > 0 {
		t.Fatal(err, r.Notes())
	}
	return o, r, b.Bytes()
}

// TestRecording: a run is the same whether it is recorded or not, and the recording has what a console shows of it: every node, the
// partition as a fault of the lab, the process that was killed, and nothing secret.
func TestRecording(t *testing.T) {
	p := Plan{Config: Config{Seed: 7, Members: 3, StartSpread: time.Second, Strict: true, Coop: &Coop{KeyServers: 3, OwnKeys: true}}}
	p.Config.Group.TEKLifetime, p.Config.Group.KEKLifetime, p.Config.Group.ActivationDelay = time.Minute, 10*time.Minute, 5*time.Second
	p.Config.Coop.Timers.Announce, p.Config.Coop.Timers.Dead, p.Config.Coop.Timers.Query, p.Config.Coop.Timers.Retries = time.Second, 3*time.Second, time.Second/2, 3
	p.Active, p.Settle, p.Quiet = 100*time.Second, 40*time.Second, 10*time.Second
	p.Faults = []Fault{
		{At: 30 * time.Second, Kind: FaultCut, Node: "ks1,gm1|ks2,ks3,gm2,gm3", For: 25 * time.Second},
		{At: 90 * time.Second, Kind: FaultReboot, Node: "ks2", For: 5 * time.Second},
	}
	o, r, text := recorded(t, p)
	if plain := Play(p, false); plain.Hash != o.Hash || len(o.Violations) > 0 {
		t.Fatalf("recorded, the run is another one: %x and %x, %v", o.Hash, plain.Hash, o.Violations)
	}
	var cut, healed, gone, events int
	apart := false
	for i := range r.Len() {
		f, err := r.Frame(i)
		if err != nil {
			t.Fatal(err)
		}
		at := f.At.Sub(p.Config.epoch())
		switch r.Kind(i) {
		case record.Lab:
			var l labState
			if err := json.Unmarshal(f.Lab, &l); err != nil {
				t.Fatal(err)
			}
			if len(l.Faults) == 1 && l.Faults[0].Kind == "partition" && l.Faults[0].Spec == "ks1,gm1/ks2,ks3,gm2,gm3 only control" && at == 30*time.Second {
				cut++
			}
			if cut == 1 && len(l.Faults) == 0 && at == 55*time.Second {
				healed++
			}
		case record.Gone:
			if f.Node == "ks2" && at == 90*time.Second {
				gone++
			}
		case record.Event:
			events++
		case record.Snapshot:
			if k := f.Watch.Snapshot.KS; k != nil && f.Node == "ks1" && k.Groups[0].Coop != nil {
				apart = apart || len(k.Groups[0].Coop.Unreachable) == 2
			}
		}
	}
	if cut != 1 || healed != 1 || gone != 1 || events < 20 || !apart {
		t.Errorf("%d cuts, %d healed, %d gone, %d events, ks1 saw that it is alone: %v", cut, healed, gone, events, apart)
	}
	if len(r.Nodes()) != 6 || r.End().Sub(r.Start()) < 149*time.Second {
		t.Errorf("%v until %v", r.Nodes(), r.End().Sub(r.Start()))
	}
	s := New(p.Config)
	s.Run(60 * time.Second)
	if len(s.Check.secrets) == 0 {
		t.Fatal("no key was made")
	}
	for _, k := range s.Check.secrets {
		if strings.Contains(string(text), k.hex) {
			t.Errorf("the recording has the key of %v", k.spi)
		}
	}
}

// TestRecordingOfViolation: what was broken is an event of an error.
func TestRecordingOfViolation(t *testing.T) {
	p := Plan{Config: Config{Seed: 3, Members: 1, StartSpread: time.Second}, Active: 10 * time.Second}
	var b bytes.Buffer
	w, err := record.NewWriter(&b, record.Header{}, record.Options{})
	if err != nil {
		t.Fatal(err)
	}
	PlayWith(p, false, func(s *Sim) {
		s.Record(w)
		s.After(5*time.Second, func() { s.Check.violate(s.GM(1), "late", "holds a key that has ended") })
	})
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := record.Read(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	for i := range r.Events() {
		if m := r.Event(i); m.Name == EventBroken {
			if f, err := r.Frame(m.Frame); err != nil || m.Severity != record.Failure || m.Node != "gm1" || f.Watch.Event.Reason != "late" {
				t.Errorf("%+v %+v %v", m, f.Watch.Event, err)
			}
			return
		}
	}
	t.Error("the recording does not say that an invariant was broken")
}
