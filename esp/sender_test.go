package esp

import (
	"errors"
	"sync"
	"testing"
)

func mustSender(t *testing.T, sidBits uint8, sids ...uint32) *Sender {
	t.Helper()
	sa, err := NewSA(1, AES128GCM, testKey(20), sidBits)
	if err != nil {
		t.Fatal(err)
	}
	x, err := sa.Sender(sids)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func one(t *testing.T, x *Sender) Ticket {
	t.Helper()
	run, err := x.Reserve(1)
	if err != nil {
		t.Fatal(err)
	}
	return run.Next()
}

func TestTicketsStartAtOne(t *testing.T) {
	x := mustSender(t, 24, 5, 9)
	if got := one(t, x); got != (Ticket{5<<40 | 1, 1}) {
		t.Fatalf("%x", got)
	}
	if got := one(t, x); got != (Ticket{5<<40 | 2, 2}) {
		t.Fatalf("%x", got)
	}
}

func TestSequenceNumbersEndBeforeTheyRepeat(t *testing.T) {
	x := mustSender(t, 24, 5, 9)
	x.next.Store(1<<32 - 2) // the last number of the first sender id
	if got := one(t, x); got != (Ticket{5<<40 | 1<<32 - 1, 1<<32 - 1}) {
		t.Fatalf("%x", got)
	}
	if got := one(t, x); got != (Ticket{9<<40 | 1, 1}) {
		t.Fatalf("next sender id: %x", got)
	}
	x.next.Store(2*(1<<32-1) - 1)
	if x.Remaining() != 1 {
		t.Fatal(x.Remaining())
	}
	one(t, x)
	if _, err := x.Reserve(1); !errors.Is(err, ErrExhausted) || x.Remaining() != 0 {
		t.Fatal(err)
	}
}

func TestIVsEndBeforeTheyRepeat(t *testing.T) {
	x := mustSender(t, 56, 1, 2) // 8 bits of counter: 255 packets each
	seen := map[uint64]bool{}
	for range 510 {
		ticket := one(t, x)
		if seen[ticket.IV] || ticket.Seq == 0 || uint64(ticket.Seq) != ticket.IV&255 {
			t.Fatalf("%x", ticket)
		}
		seen[ticket.IV] = true
	}
	if _, err := x.Reserve(1); !errors.Is(err, ErrExhausted) {
		t.Fatal(err)
	}
	// New sender ids of a second registration go on from there; old ones in the answer change nothing.
	x, fresh, err := x.Extend([]uint32{2, 3})
	if err != nil || fresh != 1 || x.Remaining() != 255 {
		t.Fatal(fresh, err, x.Remaining())
	}
	if got := one(t, x); got.IV != 3<<8|1 {
		t.Fatalf("%x", got)
	}
}

func TestReserveIsAllOrNothing(t *testing.T) {
	x := mustSender(t, 56, 1)
	if _, err := x.Reserve(256); !errors.Is(err, ErrExhausted) {
		t.Fatal(err)
	}
	run, err := x.Reserve(255)
	if err != nil {
		t.Fatal(err)
	}
	for range 255 {
		run.Next()
	}
	defer func() {
		if recover() == nil {
			t.Fatal("a ticket too many")
		}
	}()
	run.Next()
}

func TestNoTicketTwice(t *testing.T) {
	x := mustSender(t, 48, 1, 2, 3) // 65535 each
	const workers = 4
	got := make([][]Ticket, workers)
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			for n := 1; ; n = n%7 + 1 {
				run, err := x.Reserve(n)
				if err != nil {
					return
				}
				for range n {
					got[i] = append(got[i], run.Next())
				}
			}
		})
	}
	wg.Wait()
	seen := map[Ticket]bool{}
	for _, list := range got {
		for _, ticket := range list {
			if seen[ticket] {
				t.Fatalf("twice: %x", ticket)
			}
			seen[ticket] = true
		}
	}
	if len(seen) < 3*65535-workers*7 {
		t.Fatalf("only %d tickets", len(seen))
	}
}

func TestSenderRefuses(t *testing.T) {
	sa, _ := NewSA(1, AES128GCM, testKey(20), 8)
	if _, err := sa.Sender(nil); !errors.Is(err, ErrNoSenderID) {
		t.Error(err)
	}
	if _, err := sa.Sender([]uint32{256}); !errors.Is(err, ErrSenderID) {
		t.Error(err)
	}
	if x, err := sa.Sender([]uint32{255, 255}); err != nil || len(x.SIDs()) != 1 {
		t.Error("the same sender id twice counts once")
	}
}
