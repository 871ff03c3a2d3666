package loop

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/getvpn/getvpn/gdoi/machine"
)

// keyEcho tells of answers, and keeps their data.
func keyEcho(d *diary, kept map[machine.OpID][]byte) *script {
	e := echo(d)
	return &script{step: func(now machine.Now, ev machine.Event) machine.Effects {
		if k, ok := ev.(machine.KeyDone); ok {
			d.add("done %d %q %v", k.ID, k.Data, k.Err)
			d.mu.Lock()
			kept[k.ID] = k.Data
			d.mu.Unlock()
		}
		return e.step(now, ev)
	}}
}

// TestKeyCall: answers come in the order of the custody, a call that hangs ends at its time, and nothing waits for it.
func TestKeyCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		kept := map[machine.OpID][]byte{}
		value := []byte("value")
		l, _ := start(t, &d, Config{Machine: keyEcho(&d, kept), KeyTimeout: time.Minute, Keys: func(_ context.Context, c machine.KeyCall) ([]byte, error) {
			switch c.Key {
			case "slow":
				time.Sleep(time.Second)
			case "deaf": // a token that does not look at its context
				time.Sleep(time.Hour)
			case "gone":
				return nil, machine.ErrNoKey
			}
			return value, nil
		}})
		post(t, l, machine.KeyCall{ID: 1, Op: machine.KeyReveal, Key: "slow"}, machine.KeyCall{ID: 2, Op: machine.KeyEncrypt, Key: "gone"},
			machine.KeyCall{ID: 3, Op: machine.KeyGenerate, Key: "deaf"}, send("goes on", 0))
		if got := d.take(); !strings.Contains(got, "send goes on") || !strings.Contains(got, fmt.Sprintf(`done 2 "" %v`, machine.ErrNoKey)) {
			t.Errorf("at once: %q", got)
		}
		time.Sleep(2 * time.Second)
		d.want(t, `done 1 "value" <nil>`)
		d.mu.Lock()
		if &kept[1][0] != &value[0] {
			t.Error("the value was copied on its way")
		}
		d.mu.Unlock()
		time.Sleep(time.Minute)
		d.want(t, `done 3 "" context deadline exceeded`)
		time.Sleep(time.Hour) // let the deaf one end
	})
}

// TestKeyCallWipes: the call's data, and a value that comes when nobody waits any more, are wiped; not before the custody
// has done with them.
func TestKeyCallWipes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d, saw diary
		value := []byte("late value")
		l, stop := start(t, &d, Config{Machine: keyEcho(&d, map[machine.OpID][]byte{}), KeyTimeout: time.Minute, Keys: func(_ context.Context, c machine.KeyCall) ([]byte, error) {
			time.Sleep(2 * time.Minute)
			saw.add("%s", c.Data)
			return value, nil
		}})
		push := make([][]byte, promptWorkers+2)
		for i := range push {
			push[i] = []byte("the keys of a rekey")
			post(t, l, machine.KeyCall{ID: machine.OpID(i + 1), Op: machine.KeyEncrypt, Data: push[i]})
		}
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		if got := strings.Count(d.take(), context.DeadlineExceeded.Error()); got != len(push) {
			t.Errorf("%d of %d calls ended", got, len(push))
		}
		wiped := func(b []byte) bool { return strings.Trim(string(b), "\x00") == "" }
		for i, b := range push {
			if i >= promptWorkers != wiped(b) {
				t.Errorf("call %d, of %d that are in the custody: %q", i, promptWorkers, b)
			}
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		for i, b := range push {
			if !wiped(b) {
				t.Errorf("call %d: %q is left", i, b)
			}
		}
		saw.want(t, strings.Repeat("; the keys of a rekey", promptWorkers)[2:])
		if !wiped(value) {
			t.Errorf("of a late value is left %q", value)
		}
		value = []byte("value at the end")
		post(t, l, machine.KeyCall{ID: 99, Op: machine.KeyReveal})
		stop()
		time.Sleep(3 * time.Minute)
		if !wiped(value) {
			t.Errorf("of a value that came after the end is left %q", value)
		}
	})
}

// TestKeyCallPlaces: keys that are made take no place of those that are used, nor of signatures.
func TestKeyCallPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		l, _ := start(t, &d, Config{Machine: keyEcho(&d, map[machine.OpID][]byte{}),
			Keys: func(ctx context.Context, c machine.KeyCall) ([]byte, error) {
				if c.Op != machine.KeyReveal {
					<-ctx.Done()
					return nil, ctx.Err()
				}
				return nil, nil
			},
			Sign: func(context.Context, machine.Sign) ([]byte, error) { return nil, errors.New("asked") },
		})
		for i := range 3 * aheadWorkers {
			post(t, l, machine.KeyCall{ID: machine.OpID(i + 1), Op: []machine.KeyOp{machine.KeyGenerate, machine.KeyWrap, machine.KeyDestroy}[i%3]})
		}
		post(t, l, machine.KeyCall{ID: 50, Op: machine.KeyReveal})
		d.want(t, `done 50 "" <nil>`)
		for i := range promptWorkers {
			post(t, l, machine.KeyCall{ID: machine.OpID(60 + i), Op: machine.KeyEncrypt})
		}
		post(t, l, machine.Sign{ID: 70})
		d.want(t, `signed 70 "" asked`)
	})
}

// TestNoKeyCustody: a machine that asks for what was not configured is told.
func TestNoKeyCustody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		l, _ := start(t, &d, Config{Machine: keyEcho(&d, map[machine.OpID][]byte{})})
		post(t, l, machine.KeyCall{ID: 1, Op: machine.KeyReveal})
		d.want(t, fmt.Sprintf(`done 1 "" %v`, errNoKeys))
	})
}
