package sadb_test

import (
	"sync"
	"testing"

	"github.com/getvpn/getvpn/esp/sadb"
)

// TestRecent: who was heard since the last look comes first, no more than are wanted, and looking moves no window.
func TestRecent(t *testing.T) {
	db := sadb.New(10)
	must(t, db.Add(params(1, 7)))
	e := db.NewReader().Enter().Inbound(1)
	for sid := range uint64(5) {
		e.CommitReplay(sid, 5)
	}
	if got := e.Recent(100, 3); len(got) != 3 || got[0].SID != 0 || got[0].Heard != 100 || got[0].Window.Top() != 5 {
		t.Fatalf("%+v", got)
	}
	e.CommitReplay(4, 9)
	e.CommitReplay(3, 4) // late: its highest number stays
	got := e.Recent(200, 10)
	if len(got) != 5 || got[0].SID != 4 || got[0].Heard != 200 || got[1].Heard != 100 {
		t.Fatalf("%+v", got)
	}
	got[0].Window.Commit(10)
	if !e.CheckReplay(4, 10) || e.CheckReplay(4, 9) || e.CheckReplay(3, 4) {
		t.Error("the copy is the window")
	}
}

// TestRecentWhilePacketsCome is for the race detector.
func TestRecentWhilePacketsCome(t *testing.T) {
	db := sadb.New(100)
	must(t, db.Add(params(1, 7)))
	e := db.NewReader().Enter().Inbound(1)
	var wg sync.WaitGroup
	for w := range uint64(2) {
		wg.Go(func() {
			for n := range uint32(2000) {
				e.CommitReplay(uint64(n)%50, n+1)
			}
		})
		wg.Go(func() {
			for i := range int64(50) {
				if got := e.Recent(i, 20+int(w)); len(got) > 20+int(w) {
					t.Errorf("%d senders", len(got))
				}
			}
		})
	}
	wg.Wait()
}
