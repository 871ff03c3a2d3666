package keyserver

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// vault is the key custody of one key server of a test: it answers at once, unless it is mute.
type vault struct {
	id    byte // its transport key
	keys  map[string][]byte
	made  byte
	mute  bool
	asked []machine.KeyCall // while it is mute
	fails map[machine.KeyOp]error
}

var errVault = errors.New("the vault is shut")

// wrapped for a vault is what no other opens.
func wrappedFor(id byte, value []byte) []byte {
	out := []byte{id, 'w'}
	for _, o := range value {
		out = append(out, o^0x5a)
	}
	return out
}

func (v *vault) do(c machine.KeyCall) ([]byte, error) {
	if err := v.fails[c.Op]; err != nil {
		return nil, err
	}
	key, ok := v.keys[c.Key]
	switch {
	case c.Op == machine.KeyGenerate && !ok:
		v.made++
		v.keys[c.Key] = bytes.Repeat([]byte{v.id, v.made}, c.Bits/16)
	case c.Op == machine.KeyUnwrap && !ok:
		if len(c.Data) != 2+c.Bits/8 || c.Data[0] != v.id {
			return nil, fmt.Errorf("not for this vault: %x", c.Data)
		}
		v.keys[c.Key] = wrappedFor(0, c.Data[2:])[2:]
	case c.Op == machine.KeyDestroy:
		delete(v.keys, c.Key)
	case c.Op == machine.KeyGenerate, c.Op == machine.KeyUnwrap:
	case !ok:
		return nil, machine.ErrNoKey
	case c.Op == machine.KeyReveal:
		return bytes.Clone(key), nil
	case c.Op == machine.KeyWrap:
		return wrappedFor(c.To[0], key), nil
	case c.Op == machine.KeyEncrypt:
		out := bytes.Clone(c.Data)
		for i := range out {
			out[i] ^= key[0] ^ 0xa5
		}
		return out, nil
	}
	return nil, nil
}

// keyCall is the shell's answer to a call.
func (s *shell) keyCall(c machine.KeyCall) {
	if s.vault == nil {
		return
	}
	c.Data = bytes.Clone(c.Data)
	if s.vault.mute {
		s.vault.asked = append(s.vault.asked, c)
		return
	}
	data, err := s.vault.do(c)
	more, _ := s.g.KeyDone(s.now, machine.KeyDone{ID: c.ID, Data: data, Err: err}, nil)
	s.do(more)
}

// speak answers what was asked meanwhile, and from now on at once.
func (s *shell) speak() {
	asked := s.vault.asked
	s.vault.mute, s.vault.asked = false, nil
	for _, c := range asked {
		s.keyCall(c)
	}
}

// waiting lists what a mute vault was asked for.
func (v *vault) waiting(op machine.KeyOp) (keys []string) {
	for _, c := range v.asked {
		if c.Op == op {
			keys = append(keys, c.Key)
		}
	}
	return keys
}

// newVaults makes three key servers with vaults, the first of which is primary and knows the transport keys of the second.
func newVaults(t testing.TB) []*server {
	var all []*server
	for id := coop.ID(1); id <= 3; id++ {
		cfg := shared(t, id)
		cfg.Custody, cfg.Transport = true, []byte{byte(id)}
		s := &server{id: id, shell: &shell{t: t, disk: map[string]machine.Record{}, copy: true, lives: byte(id) * 30}}
		s.vault = &vault{id: byte(id), keys: map[string][]byte{}, fails: map[machine.KeyOp]error{}}
		s.now = machine.Now{Mono: machine.Instant(id) * 1e12, Wall: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
		s.shell.start(cfg)
		all = append(all, s)
	}
	p := all[0]
	p.do(p.g.TrustTransport(p.now, 2, []byte{2}, nil))
	p.g.SetInStep(p.now, 2)
	p.do(p.g.TakeOver(p.now, 1, nil))
	return all
}

// value is that of the newest KEK, as the vault has it.
func (s *server) value() []byte { return s.vault.keys[s.g.keks[len(s.g.keks)-1].name] }
