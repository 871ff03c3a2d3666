package engine_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/getvpn/getvpn/esp/engine"
	"github.com/getvpn/getvpn/esp/packet"
	"github.com/getvpn/getvpn/esp/spd"
)

// sites are n rules, one for what each of n networks sends to all others; of a list of one, for all.
func sites(n int) []spd.Rule {
	rules := make([]spd.Rule, n)
	for i := range n {
		rules[i] = ten
		if i < n-1 {
			rules[i].Src = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 1 + byte(i/250), byte(i % 250), 0}), 24)
		}
	}
	return rules
}

// BenchmarkPolicyLookup seals packets, whole (parsing, policy, SA, AES-GCM, outer header), under lists of
// 1, 100 and 1,000 rules: of a few flows, whose verdicts are cached, and of so many that hardly one is. The three take
// turns within each iteration, so that a machine that drifts does so for all, and the figures are comparable.
func BenchmarkPolicyLookup(b *testing.B) {
	lists := []int{1, 100, 1000}
	for _, row := range []struct {
		name        string
		flows, size int
	}{{"cached-64", 64, 64}, {"uncached-64", 1 << 15, 64}, {"uncached-1400", 1 << 12, 1400}} {
		b.Run(row.name, func(b *testing.B) {
			rng := rand.New(rand.NewPCG(1, 2))
			packets := make([][]byte, row.flows)
			for i := range packets {
				packets[i] = inner(17, row.size, func(p []byte) {
					n := rng.IntN(1000)
					copy(p[12:], []byte{10, 1 + byte(n/250), byte(n % 250), byte(rng.Uint32())})
					binary.BigEndian.PutUint32(p[16:], 10<<24|rng.Uint32()&0xffffff)
					binary.BigEndian.PutUint32(p[20:], rng.Uint32())
				})
			}
			members := make([]member, len(lists))
			for i, n := range lists {
				members[i] = newMember(b, 1, engine.Config{})
				must(b, members[i].SetPolicy("blue", engine.Policy{Rules: sites(n), Registered: true}))
			}
			const batch = 64
			work, out := make([]engine.Packet, batch), make([]engine.Result, 0, batch)
			for i := range work {
				work[i] = room(packets[0])
			}
			spent, next := make([][]time.Duration, len(lists)), 0
			for b.Loop() {
				for i, m := range members {
					for j := range work {
						copy(work[j].Bytes(), packets[(next+j)%len(packets)])
					}
					start := time.Now()
					out = m.w.Outbound(1, work, out[:0])
					spent[i] = append(spent[i], time.Since(start))
					if len(out) != batch || out[batch-1].Action != engine.Send {
						b.Fatal(out[len(out)-1].Reason)
					}
				}
				next += batch
			}
			median := make([]float64, len(lists))
			for i, n := range lists {
				slices.Sort(spent[i])
				median[i] = float64(spent[i][len(spent[i])/2]) / batch
				b.ReportMetric(median[i], fmt.Sprintf("ns/packet-%d-rules", n))
			}
			b.ReportMetric(median[2]/median[0], "times-1000-to-1")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// TestPolicyOfAThousand: every rule of a long list is found, through the engine, however the flows come.
func TestPolicyOfAThousand(t *testing.T) {
	m := newMember(t, 1, engine.Config{})
	rules := sites(1000)
	must(t, m.SetPolicy("blue", engine.Policy{Rules: rules, Registered: true}))
	for i, r := range rules {
		p := inner(17, 64, func(p []byte) { copy(p[12:], r.Src.Addr().AsSlice()) })
		if i == len(rules)-1 {
			p = inner(17, 64, func(p []byte) { copy(p[12:], []byte{10, 200, 0, 1}) })
		}
		if got := m.out(p); len(got) != 1 || got[0].Action != engine.Send {
			t.Fatalf("rule %d: %+v", i+1, got)
		}
		if h := m.Stats().Rules; h[i].Hits != 1 {
			t.Fatalf("rule %d has %d hits", i+1, h[i].Hits)
		}
	}
	if h, err := packet.Parse(m.sealed(t, inner(17, 64))); err != nil || h.Proto != packet.ProtoESP {
		t.Errorf("%+v, %v", h, err)
	}
}
