package sim

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/getvpn/getvpn/gdoi/keyserver"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/node"
)

// token is a key custody that keeps KEKs. It outlives the process and its disk, as a device does. Its calls take some time
// each, and are done in any order.
type token struct {
	s    *Sim
	name string
	keys map[string][]byte
	made int // keys and copies, so that no two are alike
	// number counts the tokens that were put in: each has another transport key.
	number int

	lost     bool
	notice   time.Duration // how long after a loss, or a call, the process is told
	full     bool
	slow     time.Duration
	pending  []*tokenCall
	problems int // how many losses there are at once
}

// tokenCall is one that is under way. reached says that a crash finds it done.
type tokenCall struct {
	machine.KeyCall
	reached bool
}

var (
	errTokenGone = errors.New("sim: the token is not there")
	errTokenFull = errors.New("sim: the token is full")
	errWrapped   = errors.New("sim: not wrapped for this token")
)

// tokenOf is a new token for a key server; nil: it has none.
func (s *Sim) tokenOf(n *Node) *token {
	if !s.cfg.Custody {
		return nil
	}
	return &token{s: s, name: n.Name, keys: map[string][]byte{}}
}

// keyServerConfig is that of a key server, with the transport key of the token that is in.
func (n *Node) keyServerConfig() node.KSConfig {
	c := n.s.cfg.keyServer(n.number())
	c.Groups = n.keep(c.Groups)
	return c
}

// keep puts KEKs of groups into the token of a key server, if it has one.
func (n *Node) keep(groups []keyserver.Config) []keyserver.Config {
	if n.token == nil {
		return groups
	}
	out := slices.Clone(groups)
	for i := range out {
		out[i].Custody, out[i].Transport = true, n.token.public()
	}
	return out
}

// noticed is how long a daemon needs to notice that its token is not there.
const noticed = 500 * time.Millisecond

// LoseToken takes the token of a node away, ReturnToken puts it back. That of a member has the key of its certificate, and no more.
func (n *Node) LoseToken() {
	if n.token != nil {
		if !n.token.lost {
			n.loseToken(noticed)
		}
		return
	}
	n.unplugged = true
	n.later(noticed, n.tellToken)
}

// ReturnToken ends LoseToken.
func (n *Node) ReturnToken() {
	if n.token != nil {
		n.token.problems = 0
		n.returnToken()
		return
	}
	n.unplugged = false
	n.tellToken()
}

// private is what only the token has, public what others wrap under. The simulator can undo both: it has all tokens.
func (t *token) private() []byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "transport %s %d %d", t.name, t.number, t.s.cfg.Seed))
	return sum[:]
}

func (t *token) public() []byte {
	sum := sha256.Sum256(append([]byte("public "), t.private()...))
	return sum[:]
}

// draw is the token's generator.
func (t *token) draw(n int) []byte {
	t.made++
	m := hmac.New(sha256.New, t.private())
	_ = binary.Write(m, binary.BigEndian, uint64(t.made))
	return m.Sum(nil)[:n]
}

// wrap is what stands for RSA-OAEP: another token's private half opens it, and nothing else.
func (t *token) wrap(value, public []byte) ([]byte, error) {
	for _, n := range t.s.KeyServers() {
		if n.token == nil || !bytes.Equal(n.token.public(), public) {
			continue
		}
		nonce := t.draw(12)
		return append(nonce, n.token.seal().Seal(nil, nonce, value, nil)...), nil
	}
	return nil, errWrapped
}

func (t *token) seal() cipher.AEAD {
	block, err := aes.NewCipher(t.private())
	if err != nil {
		panic("sim: " + err.Error())
	}
	seal, err := cipher.NewGCM(block)
	if err != nil {
		panic("sim: " + err.Error())
	}
	return seal
}

// do carries a call out.
func (t *token) do(c machine.KeyCall) ([]byte, error) {
	if t.lost {
		return nil, errTokenGone
	}
	key, ok := t.keys[c.Key]
	switch c.Op {
	case machine.KeyGenerate, machine.KeyUnwrap:
		if ok {
			return nil, nil
		}
		if t.full {
			return nil, errTokenFull
		}
		value := []byte(nil)
		if c.Op == machine.KeyGenerate {
			value = t.draw(c.Bits / 8)
			t.s.Check.kekMade(c.Key, value)
		} else if len(c.Data) < 12 {
			return nil, errWrapped
		} else if v, err := t.seal().Open(nil, c.Data[:12], c.Data[12:], nil); err != nil || 8*len(v) != c.Bits {
			return nil, errWrapped
		} else {
			value = v
		}
		t.keys[c.Key] = value
		return nil, nil
	case machine.KeyDestroy:
		delete(t.keys, c.Key)
		return nil, nil
	}
	if !ok {
		return nil, fmt.Errorf("sim: %s: %w", c.Key, machine.ErrNoKey)
	}
	switch c.Op {
	case machine.KeyReveal:
		return bytes.Clone(key), nil
	case machine.KeyWrap:
		return t.wrap(key, c.To)
	}
	block, err := aes.NewCipher(key)
	if err != nil || len(c.Data)%aes.BlockSize != 0 || len(c.IV) != aes.BlockSize {
		return nil, fmt.Errorf("sim: %d octets are not encrypted with a key of %d and an IV of %d", len(c.Data), len(key), len(c.IV))
	}
	out := make([]byte, len(c.Data))
	cipher.NewCBCEncrypter(block, c.IV).CryptBlocks(out, c.Data)
	return out, nil
}

// keyCall is the shell's part: a call that takes time, and is answered in this life or not at all.
func (n *Node) keyCall(e machine.KeyCall) {
	t := n.token
	n.s.record("key", n.index, fmt.Appendf(nil, "%d %s", e.Op, e.Key))
	n.s.log(Entry{Kind: "key", Node: n.Name, Text: fmt.Sprintf("%s %s", keyOps[e.Op], e.Key)})
	c := &tokenCall{e, n.s.rng.IntN(2) == 0}
	t.pending = append(t.pending, c)
	after := time.Millisecond + time.Duration(n.s.rng.Int64N(int64(30*time.Millisecond))) + t.slow
	if t.lost {
		after = max(after, t.notice)
	}
	life := n.life
	n.s.After(after, func() {
		i := slices.Index(t.pending, c)
		if i < 0 || !n.Up() || n.life != life {
			return // a crash has seen to it
		}
		t.pending = slices.Delete(t.pending, i, i+1)
		data, err := t.do(c.KeyCall)
		clear(c.Data)
		n.do(waiting{f: func() {
			n.step(machine.KeyDone{ID: c.ID, Data: data, Err: err})
			if c.Op == machine.KeyReveal {
				n.s.Check.kekState(n)
			}
		}})
	})
}

var keyOps = map[machine.KeyOp]string{
	machine.KeyGenerate: "generate", machine.KeyReveal: "reveal", machine.KeyEncrypt: "encrypt",
	machine.KeyWrap: "wrap", machine.KeyUnwrap: "unwrap", machine.KeyDestroy: "destroy",
}

// crashed: what was under way was done or not.
func (t *token) crashed() {
	for _, c := range t.pending {
		if c.reached {
			_, _ = t.do(c.KeyCall) // nobody hears of it
		}
	}
	t.pending = nil
}

// tidy destroys the KEKs that no record names, as the daemon does after its first step.
func (n *Node) tidy() {
	used := n.KeyServer().KEKNames()
	for _, name := range slices.Sorted(maps.Keys(n.token.keys)) {
		if strings.HasPrefix(name, "kek-") && !slices.Contains(used, name) && !n.token.lost {
			delete(n.token.keys, name)
		}
	}
}

// loseToken takes the token away. The process is told after a while, and calls of before that fail only then.
func (n *Node) loseToken(notice time.Duration) {
	t := n.token
	t.problems++
	if t.lost {
		return
	}
	t.lost, t.notice = true, notice
	n.later(notice, n.tellToken)
}

// returnToken ends one of the losses.
func (n *Node) returnToken() {
	t := n.token
	if t.problems = max(0, t.problems-1); t.problems > 0 || !t.lost {
		return
	}
	t.lost = false
	n.tellToken()
}

// tokenGone says that a node has a token, which is not there.
func (n *Node) tokenGone() bool { return n.unplugged || n.token != nil && n.token.lost }

// tellToken gives the process the state of the token.
func (n *Node) tellToken() {
	ev := machine.CustodyState{}
	if n.tokenGone() {
		ev.Problem = errTokenGone.Error()
	}
	n.Do(ev)
}

// replace puts an empty token in.
func (t *token) replace() {
	clear(t.keys)
	t.number++
}

// mendToken ends all that is wrong with the token.
func (n *Node) mendToken() {
	t := n.token
	if t == nil {
		return
	}
	t.full, t.slow, t.problems = false, 0, 0
	n.returnToken()
}
