package keyserver

import (
	"encoding/hex"
	"encoding/json"
	"net/netip"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
)

type removalRecord struct {
	Addr     netip.AddrPort
	IDType   uint8
	Identity string
	At       time.Time
}

type exclusionRecord struct {
	KEK       string `json:",omitempty"` // records of older versions mean the newest one
	Under     []string
	Arrays    [][]byte
	Withdrawn []gdoi.SPI
	Until     time.Time
}

func encodeRemoval(now machine.Now, r *removal) []byte {
	if r == nil {
		return nil
	}
	return encode(removalRecord{r.peer.Addr, r.peer.IDType, r.peer.Identity, now.WallAt(r.at)})
}

func encodeExclusion(now machine.Now, x *exclusion) []byte {
	if x == nil {
		return nil
	}
	r := exclusionRecord{KEK: x.kek.String(), Withdrawn: x.withdrawn, Until: now.WallAt(x.until)}
	for _, s := range x.under {
		r.Under = append(r.Under, s.String())
	}
	for _, u := range x.arrays {
		r.Arrays = append(r.Arrays, u.AppendTo(nil))
	}
	return encode(r)
}

func (g *Group) restoreRemoval(now machine.Now, key string, b []byte) error {
	var r removalRecord
	if err := json.Unmarshal(b, &r); err != nil {
		return err
	}
	p := Peer{Addr: r.Addr, IDType: r.IDType, Identity: r.Identity}
	if !r.Addr.IsValid() || p.key() != key {
		return errRecord
	}
	g.removed = append(g.removed, &removal{p, min(now.MonoAt(r.At), now.Mono)})
	return nil
}

func (g *Group) restoreExclusion(now machine.Now, b []byte) error {
	var r exclusionRecord
	if err := json.Unmarshal(b, &r); err != nil {
		return err
	}
	x := &exclusion{withdrawn: r.Withdrawn, until: min(now.MonoAt(r.Until), now.Mono.Add(g.cfg.ActivationDelay))}
	for _, s := range r.Under {
		spi, err := hex.DecodeString(s)
		if err != nil || len(spi) != len(gdoi.KEKSPI{}) {
			return errRecord
		}
		x.under = append(x.under, gdoi.KEKSPI(spi))
	}
	for _, b := range r.Arrays {
		u, err := isakmp.ParseLKHUpdate(b)
		if err != nil {
			return err
		}
		x.arrays = append(x.arrays, u)
	}
	if r.KEK != "" {
		spi, err := hex.DecodeString(r.KEK)
		if err != nil || len(spi) != len(gdoi.KEKSPI{}) {
			return errRecord
		}
		x.kek = gdoi.KEKSPI(spi)
	}
	g.exclusion = x
	return nil
}
