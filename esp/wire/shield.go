package wire

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/getvpn/getvpn/esp/owned"
)

// shield keeps the kernel from handling what the packet sockets took. They see a packet before the ingress hook; there it
// is dropped, unless it is a fragment: those the kernel puts together, and the raw sockets get the whole. A rule of the
// kind `ip rule ... blackhole` could not tell fragments from the rest.
type shield struct{ conn *nftables.Conn }

// shields numbers the tables of this process: an old one may go while a new one comes.
var shields atomic.Uint32

func (s *shield) Close() error { return s.conn.CloseLasting() }

func newShield(device string) (*shield, error) {
	conn, table, err := owned.New(nftables.TableFamilyNetdev, fmt.Sprintf("getvpn_wire_%d_%d", os.Getpid(), shields.Add(1)))
	if err != nil {
		return nil, err
	}
	s := &shield{conn}
	chain := conn.AddChain(&nftables.Chain{
		Name: "esp", Table: table, Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookIngress,
		Priority: nftables.ChainPriorityRef(-500), Device: device,
	})
	for _, exprs := range shieldRules() {
		conn.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: exprs})
	}
	if err := conn.Flush(); err != nil {
		return nil, errors.Join(fmt.Errorf("nftables at the ingress of %s (CONFIG_NF_TABLES_NETDEV?): %w", device, err), s.Close())
	}
	return s, nil
}

// shieldRules drop what isESP accepts.
func shieldRules() [][]expr.Any {
	load := func(base expr.PayloadBase, offset, n uint32) expr.Any {
		return &expr.Payload{DestRegister: 1, Base: base, Offset: offset, Len: n}
	}
	equal := func(b ...byte) expr.Any { return &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: b} }
	ours := []expr.Any{
		&expr.Meta{Key: expr.MetaKeyPKTTYPE, Register: 1}, &expr.Cmp{Op: expr.CmpOpLte, Register: 1, Data: []byte{unix.PACKET_MULTICAST}},
	}
	// The EtherType as on the wire: with a VLAN tag it is the tag's.
	v4 := append(ours[:2:2], load(expr.PayloadBaseLLHeader, 12, 2), equal(0x08, 0x00),
		load(expr.PayloadBaseNetworkHeader, 9, 1), equal(ProtocolESP),
		load(expr.PayloadBaseNetworkHeader, 6, 2),
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 2, Mask: []byte{0x3f, 0xff}, Xor: []byte{0, 0}}, equal(0, 0),
		&expr.Verdict{Kind: expr.VerdictDrop})
	v6 := append(ours[:2:2], load(expr.PayloadBaseLLHeader, 12, 2), equal(0x86, 0xdd),
		load(expr.PayloadBaseNetworkHeader, 6, 1), equal(ProtocolESP),
		&expr.Verdict{Kind: expr.VerdictDrop})
	return [][]expr.Any{v4, v6}
}
