package node

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	mrand "math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/getvpn/getvpn/gdoi/machine"
)

// fakeToken is a key custody in virtual time: slow, full, gone, or without a key.
type fakeToken struct {
	keys    map[string][]byte
	delay   time.Duration
	problem error                       // every call fails with it
	mute    bool                        // no call is ever answered
	refuse  func(machine.KeyCall) error // nil: nothing
	answers []tokenAnswer               // in the order of their time
	calls   []machine.KeyCall
	told    [][]byte // the memory in which answers came
	values  [][]byte // of all KEKs that there ever were
	rand    *mrand.ChaCha8
}

type tokenAnswer struct {
	at machine.Instant
	ev machine.Event
}

var (
	errTokenGone = errors.New("the token is gone")
	errTokenFull = errors.New("the token has no room")
)

func newFakeToken() *fakeToken {
	return &fakeToken{keys: map[string][]byte{}, delay: 20 * time.Millisecond, rand: mrand.NewChaCha8([32]byte{77})}
}

func (t *fakeToken) later(now machine.Now, ev machine.Event) {
	if !t.mute {
		t.answers = append(t.answers, tokenAnswer{now.Mono.Add(t.delay), ev})
		slices.SortStableFunc(t.answers, func(a, b tokenAnswer) int { return int(a.at - b.at) })
	}
}

func (t *fakeToken) deadline() (machine.Instant, bool) {
	if t == nil || len(t.answers) == 0 {
		return 0, false
	}
	return t.answers[0].at, true
}

func (t *fakeToken) answer() machine.Event {
	ev := t.answers[0].ev
	t.answers = t.answers[1:]
	if done, ok := ev.(machine.KeyDone); ok {
		t.told = append(t.told, done.Data)
	}
	return ev
}

func (t *fakeToken) sign(now machine.Now, e machine.Sign) {
	if t.problem != nil {
		t.later(now, machine.Signed{ID: e.ID, Err: t.problem})
		return
	}
	t.later(now, signRSA(rsaKey(), e))
}

// call does at once what is asked, and answers after the delay.
func (t *fakeToken) call(now machine.Now, c machine.KeyCall) {
	t.calls = append(t.calls, machine.KeyCall{ID: c.ID, Op: c.Op, Key: c.Key, Bits: c.Bits})
	data, err := t.do(c)
	clear(c.Data)
	t.later(now, machine.KeyDone{ID: c.ID, Data: data, Err: err})
}

func (t *fakeToken) do(c machine.KeyCall) ([]byte, error) {
	key, ok := t.keys[c.Key]
	err := t.problem
	if err == nil && t.refuse != nil {
		err = t.refuse(c)
	}
	switch {
	case err != nil:
		return nil, err
	case c.Op == machine.KeyGenerate:
		if !ok {
			key = make([]byte, c.Bits/8)
			_, _ = t.rand.Read(key)
			t.keys[c.Key] = key
			t.values = append(t.values, key)
		}
		return nil, nil
	case c.Op == machine.KeyDestroy:
		delete(t.keys, c.Key)
		return nil, nil
	case !ok:
		return nil, machine.ErrNoKey
	case c.Op == machine.KeyReveal:
		return bytes.Clone(key), nil
	case c.Op == machine.KeyEncrypt:
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		out := make([]byte, len(c.Data))
		cipher.NewCBCEncrypter(block, c.IV).CryptBlocks(out, c.Data)
		return out, nil
	}
	return nil, errors.New("the fake token cannot do that")
}

func (t *fakeToken) count(op machine.KeyOp) (n int) {
	for _, c := range t.calls {
		if c.Op == op {
			n++
		}
	}
	return n
}

// keks are the names of the KEKs that it has.
func (t *fakeToken) keks() (out []string) {
	for name := range t.keys {
		if strings.HasPrefix(name, "kek-") {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}
