package keyserver

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// With Cooperation.Split "continue", keys are not drawn but derived, so that key servers that cannot reach each other make
// the same next key at the same time. Each chain of TEKs has a ratchet, and the KEKs have one. It holds one secret S, which
// all key servers have because it is a record of the group:
//
//	key, SPI, IV   HKDF-Expand(S, "getvpn " what NUL context NUL step)    what: "key", "spi", "iv"
//	next S         HKDF-Expand(S, "getvpn next" NUL context NUL step)
//
// context is the SHA-256 of what the ratchet is for: the id of the group, and the suite and selectors of the chain. The old
// S is wiped, so a key server that is broken into tells nothing of keys that have ended; but it tells those to come, until
// the ratchets take in fresh randomness. They do whenever a KEK is replaced while all key servers are in step, after the
// KEK itself was derived: a key server that is cut off in that very moment has another secret, and parts with the others at
// the next TEK, as all do in mode fork.
//
// SPIs of derived TEKs have 0 in their low bits, where those that a key server draws by itself have its number.
type ratchet struct {
	seed   uint64 // names the randomness; nothing secret
	step   uint64 // keys made since
	secret *machine.Secret
	ends   machine.Instant // of the last key made
}

const (
	ratchetLen  = sha256.Size
	ratchetKey  = "ratchet"
	kekContext  = "kek"
	maxSkipped  = 100_000
	spiNumbers  = 0xf // the bits of an SPI that say which key server drew it; 0: none did
	contextLen  = 2 * sha256.Size
	seedTextLen = 16
)

type ratchetRecord struct {
	Seed   string
	Step   uint64
	Secret []byte
	Ends   time.Time
}

// derives says whether the keys of the group are derived.
func (g *Group) derives() bool { return g.cfg.Coop != nil && g.cfg.Coop.Split == coop.Continue }

// context names what a ratchet is for: a chain, or the KEKs (nil).
func (g *Group) context(c *chain) string {
	h := sha256.New()
	part := func(b []byte) {
		_ = binary.Write(h, binary.BigEndian, uint32(len(b)))
		h.Write(b)
	}
	part([]byte(g.cfg.ID))
	if c == nil {
		part([]byte(kekContext))
	} else {
		part([]byte(c.suite.String()))
		part([]byte(strings.Join(c.permits.Strings(), "\n")))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// ratchetFor is the ratchet of a context; a new one begins with fresh randomness.
func (g *Group) ratchetFor(context string) *ratchet {
	r := g.ratchets[context]
	if r == nil {
		r = &ratchet{secret: machine.TakeSecret(g.env.KeyBytes(ratchetLen)), seed: g.newSeed()}
		if g.ratchets == nil {
			g.ratchets = map[string]*ratchet{}
		}
		g.ratchets[context] = r
	}
	return r
}

func (g *Group) newSeed() uint64 { return uint64(g.env.Uint32())<<32 | uint64(g.env.Uint32()) }

// expand derives n octets for one purpose.
func (r *ratchet) expand(what, context string, n int) *machine.Secret {
	info := append([]byte("getvpn "+what+"\x00"+context+"\x00"), binary.BigEndian.AppendUint64(nil, r.step)...)
	b, err := hkdf.Expand(sha256.New, r.secret.Bytes(), string(info), n)
	if err != nil {
		panic("keyserver: " + err.Error()) // more than 255 hashes
	}
	return machine.TakeSecret(b)
}

// turn goes on to the next key.
func (r *ratchet) turn(context string) {
	next := r.expand("next", context, ratchetLen)
	r.secret.Destroy()
	r.secret = next
	r.step++
}

// stir takes in fresh randomness.
func (r *ratchet) stir(fresh []byte, seed uint64) {
	b, err := hkdf.Extract(sha256.New, r.secret.Bytes(), fresh)
	if err != nil {
		panic("keyserver: " + err.Error())
	}
	r.secret.Destroy()
	r.secret, r.seed = machine.TakeSecret(b), seed
}

// begins is when the next key of a ratchet begins, by its schedule: 4A before the last one ends, however late that is
// noticed, so that all key servers give it the same end; earlier, where somebody wants it now. What nobody made in time is
// skipped: other key servers may have made it, and ended it.
func (g *Group) begins(now machine.Now, r *ratchet, context string, lifetime time.Duration) machine.Instant {
	at := g.rekeyAt(r.ends)
	if r.ends == 0 || now.Mono < at {
		return now.Mono
	}
	period := lifetime - 4*g.cfg.ActivationDelay
	late := now.Mono.Sub(at) / period
	if late > maxSkipped {
		r.stir(g.env.KeyBytes(ratchetLen), g.newSeed())
		return now.Mono
	}
	for range late {
		r.turn(context)
	}
	return at.Add(late * period)
}

// deriveTEK is the next key of a chain: its SPI, key and end.
func (g *Group) deriveTEK(now machine.Now, c *chain) (gdoi.SPI, *machine.Secret, machine.Instant) {
	context := g.context(c)
	r := g.ratchetFor(context)
	begin := g.begins(now, r, context, c.lifetime)
	spi := r.spi(context)
	for spi < gdoi.MinSPI || g.HasSPI(spi) || g.cfg.SPIInUse != nil && g.cfg.SPIInUse(spi) {
		// Once in 2^28. Where only one key server finds it in use, by another group, the others make other keys.
		r.turn(context)
		spi = r.spi(context)
	}
	key := r.expand("key", context, c.suite.KeymatLen())
	r.turn(context)
	r.ends = begin.Add(c.lifetime)
	g.keepRatchet(context)
	return spi, key, r.ends
}

func (r *ratchet) spi(context string) gdoi.SPI {
	return gdoi.SPI(binary.BigEndian.Uint32(r.expand("spi", context, 4).Bytes()) &^ spiNumbers)
}

// deriveKEK is the same for the KEK, which has an IV too.
func (g *Group) deriveKEK(now machine.Now) (spi gdoi.KEKSPI, key, iv *machine.Secret, ends machine.Instant) {
	context := g.context(nil)
	r := g.ratchetFor(context)
	begin := g.begins(now, r, context, g.cfg.KEKLifetime)
	for spi.IsZero() || g.HasKEK(spi) {
		if !spi.IsZero() {
			r.turn(context)
		}
		copy(spi[:], r.expand("spi", context, len(spi)).Bytes())
	}
	key, iv = r.expand("key", context, g.cfg.KEK.KeyLen()), r.expand("iv", context, g.cfg.KEK.IVLen())
	r.turn(context)
	r.ends = begin.Add(g.cfg.KEKLifetime)
	g.keepRatchet(context)
	return spi, key, iv, r.ends
}

// beginSchedule makes the ratchets of keys that were not derived, so that all key servers have them before the next.
func (g *Group) beginSchedule() {
	if !g.derives() {
		return
	}
	begin := func(context string, ends machine.Instant) {
		if g.ratchets[context] == nil {
			g.ratchetFor(context).ends = ends
			g.keepRatchet(context)
		}
	}
	for _, c := range g.chains {
		if t := g.newest(c); t != nil {
			begin(g.context(c), t.expires)
		}
	}
	if n := len(g.keks); n > 0 {
		begin(g.context(nil), g.keks[n-1].expires)
	}
}

// breakSchedule forgets all ratchets: what comes next is random, because somebody who is to be shut out may get what other
// key servers would derive.
func (g *Group) breakSchedule() {
	for context, r := range g.ratchets {
		r.secret.Destroy()
		mark(&g.durable.ratchets, context, nil)
	}
	g.ratchets = nil
}

// stirAll gives all ratchets fresh randomness.
func (g *Group) stirAll() {
	for _, context := range slices.Sorted(maps.Keys(g.ratchets)) {
		g.ratchets[context].stir(g.env.KeyBytes(ratchetLen), g.newSeed())
		g.keepRatchet(context)
	}
}

// pruneRatchets drops those of chains that the policy has no more.
func (g *Group) pruneRatchets() {
	used := map[string]bool{g.context(nil): true}
	for _, c := range g.chains {
		used[g.context(c)] = true
	}
	for context, r := range g.ratchets {
		if !used[context] || !g.derives() {
			r.secret.Destroy()
			delete(g.ratchets, context)
			mark(&g.durable.ratchets, context, nil)
		}
	}
}

func (g *Group) keepRatchet(context string) {
	mark(&g.durable.ratchets, context, g.ratchets[context])
}

func (g *Group) destroyRatchets() {
	for _, r := range g.ratchets {
		r.secret.Destroy()
	}
	g.ratchets = nil
}

func ratchetName(context string) string { return ratchetKey + "/" + context }

func encodeRatchet(now machine.Now, r *ratchet) []byte {
	if r == nil {
		return nil
	}
	return encode(ratchetRecord{fmt.Sprintf("%016x", r.seed), r.step, r.secret.Bytes(), now.WallAt(r.ends)})
}

func (g *Group) restoreRatchet(now machine.Now, context string, b []byte) error {
	var r ratchetRecord
	if err := json.Unmarshal(b, &r); err != nil {
		return err
	}
	seed, err := hex.DecodeString(r.Seed)
	if _, e := hex.DecodeString(context); err != nil || e != nil || len(r.Seed) != seedTextLen || len(context) != contextLen || len(r.Secret) != ratchetLen {
		return errRecord
	}
	if g.ratchets == nil {
		g.ratchets = map[string]*ratchet{}
	}
	g.ratchets[context] = &ratchet{binary.BigEndian.Uint64(seed), r.Step, machine.TakeSecret(r.Secret), now.MonoAt(r.Ends)}
	return nil
}
