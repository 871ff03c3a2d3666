package sadb_test

import (
	"bytes"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/getvpn/getvpn/esp"
	"github.com/getvpn/getvpn/esp/sadb"
)

func params(spi uint32, sids ...uint32) sadb.Params {
	return sadb.Params{SPI: spi, Suite: esp.AES128GCM, KeyMat: bytes.Repeat([]byte{byte(spi)}, 20), SIDBits: 24, SIDs: sids, Window: 64}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestMakeBeforeBreak(t *testing.T) {
	db := sadb.New(10)
	r := db.NewReader()
	sending := func() (spi uint32) {
		v := r.Enter()
		defer r.Leave()
		if e := v.Outbound(5); e != nil {
			spi = e.SA.SPI()
		}
		return spi
	}
	receiving := func(spi uint32) bool {
		v := r.Enter()
		defer r.Leave()
		return v.Inbound(spi) != nil
	}
	must(t, db.Add(params(1, 7)))
	if sending() != 0 || !receiving(1) {
		t.Fatal("an installed SA receives and does not send")
	}
	must(t, db.Activate(0, 1, 5))
	must(t, db.Add(params(2, 7)))
	if sending() != 1 || !receiving(1) || !receiving(2) {
		t.Fatal("a new SA changes nothing for sending")
	}
	must(t, db.Activate(0, 2, 5))
	if sending() != 2 || !receiving(1) {
		t.Fatal("the old SA still receives")
	}
	must(t, db.Retire(0, 1))
	if sending() != 2 || receiving(1) {
		t.Fatal("retired, but received")
	}
	must(t, db.Retire(0, 2))
	if sending() != 0 {
		t.Fatal("retired, but sent with")
	}
	if err := db.Retire(0, 2); !errors.Is(err, sadb.ErrUnknownSPI) {
		t.Fatal(err)
	}
}

func TestAddRefuses(t *testing.T) {
	db := sadb.New(10)
	must(t, db.Add(params(1, 7)))
	other := params(1, 8)
	other.KeyMat = bytes.Repeat([]byte{9}, 20)
	if err := db.Add(other); !errors.Is(err, sadb.ErrSPIInUse) {
		t.Errorf("other key: %v", err)
	}
	other = params(1, 8)
	other.Group = 1
	if err := db.Add(other); !errors.Is(err, sadb.ErrSPIInUse) {
		t.Errorf("other group: %v", err)
	}
	must(t, db.Retire(0, 1))
	if err := db.Add(params(1, 7)); !errors.Is(err, sadb.ErrSIDReused) {
		t.Errorf("the same sender id again: %v", err)
	}
	must(t, db.Add(params(1, 8)))
	must(t, db.Add(params(3)))
	if err := db.Activate(0, 3, 5); !errors.Is(err, esp.ErrNoSenderID) {
		t.Errorf("no sender id: %v", err)
	}
}

// TestSecondRegistration: the same key comes again with a new sender id, and must not start numbers or windows again.
func TestSecondRegistration(t *testing.T) {
	db := sadb.New(10)
	must(t, db.Add(params(1, 7)))
	e := db.NewReader().Enter().Inbound(1)
	run, err := e.Sender().Reserve(3)
	must(t, err)
	run.Next()
	e.CommitReplay(99, 5)
	for range 2 { // the second is the repeat of an answer
		must(t, db.Add(params(1, 7, 8)))
	}
	if x := e.Sender(); x.Used() != 3 || len(x.SIDs()) != 2 || !e.Owns(7) || !e.Owns(8) {
		t.Fatalf("used %d, sender ids %v", x.Used(), x.SIDs())
	}
	if e.CheckReplay(99, 5) {
		t.Fatal("windows were lost")
	}
}

func TestWindowsPerSender(t *testing.T) {
	db := sadb.New(3)
	must(t, db.Add(params(1, 7)))
	e := db.NewReader().Enter().Inbound(1)
	for sid := range uint64(3) {
		sid += sid * 4096 // into the same bucket
		if fresh, room := e.CommitReplay(sid, 5); !fresh || !room {
			t.Fatal(sid)
		}
		if fresh, _ := e.CommitReplay(sid, 5); fresh || e.CheckReplay(sid, 5) || !e.CheckReplay(sid, 6) {
			t.Fatal(sid)
		}
	}
	if fresh, room := e.CommitReplay(1000, 5); fresh || room || e.Senders() != 3 {
		t.Fatal("the fourth of three senders was accepted")
	}
	if e.CheckReplay(1000, 0) {
		t.Fatal("sequence number 0")
	}
}

// TestKeyOutlivesItsReaders: what is retired in the middle of a batch still works in that batch and is gone after it.
func TestKeyOutlivesItsReaders(t *testing.T) {
	db := sadb.New(10)
	busy, idle := db.NewReader(), db.NewReader()
	must(t, db.Add(params(1, 7)))
	sealed := func(sa *esp.SA) []byte {
		buf := make([]byte, 200)
		start, n, err := sa.Seal(new(esp.Context), esp.Ticket{IV: 1, Seq: 1}, buf, esp.Headroom, 40, esp.NextIPv4)
		must(t, err)
		return bytes.Clone(buf[start : start+n])
	}
	sa := busy.Enter().Inbound(1).SA
	want := sealed(sa)
	must(t, db.Retire(0, 1))
	idle.Enter()
	idle.Leave()
	if !bytes.Equal(sealed(sa), want) {
		t.Fatal("destroyed under its reader")
	}
	busy.Leave()
	if bytes.Equal(sealed(sa), want) {
		t.Fatal("the key is still there after its last reader left")
	}
}

// TestRolloverUnderLoad lets readers seal and open while SAs come and go: a destroyed key would break a round trip. Run
// it with the race detector.
func TestRolloverUnderLoad(t *testing.T) {
	db := sadb.New(10)
	must(t, db.Add(params(1, 7)))
	must(t, db.Activate(0, 1, 5))
	var stop atomic.Bool
	var rounds atomic.Int64
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			r := db.NewReader()
			defer r.Close()
			var ctx esp.Context
			buf := make([]byte, 300)
			for !stop.Load() {
				sa := r.Enter().Outbound(5).SA
				for range 4 {
					start, n, err := sa.Seal(&ctx, esp.Ticket{IV: 1, Seq: 1}, buf, esp.Headroom, 100, esp.NextIPv4)
					if err != nil {
						t.Error(err)
					}
					if _, _, err := sa.Open(&ctx, buf[start:start+n]); err != nil {
						t.Error("a key was destroyed in use")
						stop.Store(true)
					}
				}
				r.Leave()
				rounds.Add(1)
			}
		})
	}
	for spi := uint32(2); spi < 250 || rounds.Load() < 300; spi++ {
		p := params(spi, 7)
		p.KeyMat = bytes.Repeat([]byte{byte(spi), byte(spi >> 8)}, 10)
		must(t, db.Add(p))
		must(t, db.Activate(0, spi, 5))
		must(t, db.Retire(0, spi-1))
	}
	stop.Store(true)
	wg.Wait()
	if all, sending := db.Entries(); len(all) != 1 || len(sending[0]) != 1 {
		t.Fatal("one SA must be left, and it sends")
	}
}

// TestTrafficOutlivesItsKeys: what was counted for a group stays, that of a batch which ends after the key too.
func TestTrafficOutlivesItsKeys(t *testing.T) {
	db := sadb.New(10)
	r := db.NewReader()
	must(t, db.Add(params(1, 7)))
	other := params(2, 7)
	other.Group = 1
	must(t, db.Add(other))
	v := r.Enter()
	v.Inbound(1).Count(1, 10, 2, 20)
	v.Inbound(2).Count(0, 0, 5, 50)
	must(t, db.Retire(0, 1))
	v.Inbound(1).Count(0, 0, 1, 10)
	want := sadb.Traffic{InPackets: 1, InBytes: 10, OutPackets: 3, OutBytes: 30}
	if got := db.Traffic()[0]; got != want {
		t.Errorf("in the batch: %+v", got)
	}
	v.Inbound(1).Count(1, 10, 0, 0)
	r.Leave()
	want.InPackets, want.InBytes = 2, 20
	if got := db.Traffic(); got[0] != want || got[1] != (sadb.Traffic{OutPackets: 5, OutBytes: 50}) {
		t.Errorf("after it: %+v", got)
	}
}
