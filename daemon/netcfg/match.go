package netcfg

import (
	"encoding/binary"
	"net"
	"net/netip"

	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/getvpn/getvpn/gdoi/policy"
)

// The expressions of nftables, one condition each. All compare in register 1.

func meta(key expr.MetaKey, want []byte) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: key, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: want},
	}
}

// name pads an interface name as the kernel compares it: whole, with its NULs.
func name(ifc string) []byte { return append([]byte(ifc), make([]byte, unix.IFNAMSIZ-len(ifc))...) }

func iif(ifc string) []expr.Any { return meta(expr.MetaKeyIIFNAME, name(ifc)) }
func oif(ifc string) []expr.Any { return meta(expr.MetaKeyOIFNAME, name(ifc)) }
func l4(proto uint8) []expr.Any { return meta(expr.MetaKeyL4PROTO, []byte{proto}) }
func v4() []expr.Any            { return meta(expr.MetaKeyNFPROTO, []byte{unix.NFPROTO_IPV4}) }
func v6() []expr.Any            { return meta(expr.MetaKeyNFPROTO, []byte{unix.NFPROTO_IPV6}) }
func mark(mark uint32) []expr.Any {
	return meta(expr.MetaKeyMARK, binaryutil.NativeEndian.PutUint32(mark))
}

func drop() []expr.Any          { return []expr.Any{&expr.Verdict{Kind: expr.VerdictDrop}} }
func accept() []expr.Any        { return []expr.Any{&expr.Verdict{Kind: expr.VerdictAccept}} }
func verdictReturn() []expr.Any { return []expr.Any{&expr.Verdict{Kind: expr.VerdictReturn}} }
func jump(chain string) []expr.Any {
	return []expr.Any{&expr.Verdict{Kind: expr.VerdictJump, Chain: chain}}
}

// transport compares octets of the transport header. A fragment without one does not match, see matchHidden.
func transport(offset uint32, want []byte) []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: uint32(len(want))},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: want},
	}
}

// Offsets of the ports in a TCP, UDP or SCTP header.
const (
	srcPort = 0
	dstPort = 2
)

func ports(offset uint32, p policy.PortRange) []expr.Any {
	switch {
	case p.Any():
		return nil
	case p.Single():
		return transport(offset, port(p.Lo))
	}
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: 2},
		&expr.Range{Op: expr.CmpOpEq, Register: 1, FromData: port(p.Lo), ToData: port(p.Hi)},
	}
}

func port(p uint16) []byte { return binary.BigEndian.AppendUint16(nil, p) }

// address compares the source or destination with a prefix; nothing for the whole address space.
func address(p netip.Prefix, dst bool) []expr.Any {
	if p.Bits() == 0 {
		return nil
	}
	width, offset := uint32(4), uint32(12)
	if p.Addr().Is6() {
		width, offset = 16, 8
	}
	if dst {
		offset += width
	}
	load := &expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: width}
	cmp := &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: p.Masked().Addr().AsSlice()}
	if p.IsSingleIP() {
		return []expr.Any{load, cmp}
	}
	mask := &expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: width, Mask: net.CIDRMask(p.Bits(), int(width)*8), Xor: make([]byte, width)}
	return []expr.Any{load, mask, cmp}
}

// matchRule is a line of the access list.
func matchRule(r rule) []expr.Any {
	out := matchAddresses(r)
	if r.Proto != 0 {
		out = append(out, l4(r.Proto)...)
	}
	out = append(out, ports(srcPort, r.SrcPorts)...)
	return append(out, ports(dstPort, r.DstPorts)...)
}

func matchAddresses(r rule) []expr.Any {
	out := v4()
	if r.Src.Addr().Is6() {
		out = v6()
	}
	out = append(out, address(r.Src, false)...)
	return append(out, address(r.Dst, true)...)
}

// flowMatches gives the conditions of a flow: one of them must hold.
func flowMatches(f Flow) [][]expr.Any {
	if f.Port == 0 {
		return [][]expr.Any{l4(f.Proto)}
	}
	return [][]expr.Any{
		append(l4(f.Proto), transport(srcPort, port(f.Port))...),
		append(l4(f.Proto), transport(dstPort, port(f.Port))...),
	}
}

// betweenGDOI matches key exchange between two that both use its port, as RFC 6407 §7.2 has it. One port alone would be a hole
// for anybody who can choose the one that he sends from.
func betweenGDOI() []expr.Any {
	return append(l4(GDOI.Proto), transport(srcPort, append(port(GDOI.Port), port(GDOI.Port)...))...)
}

// icmp6 matches a range of ICMPv6 types.
func icmp6(lo, hi byte) []expr.Any {
	return append(append(v6(), l4(protoICMPv6)...),
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 0, Len: 1},
		&expr.Range{Op: expr.CmpOpEq, Register: 1, FromData: []byte{lo}, ToData: []byte{hi}})
}

// ofTheLink gives the conditions, of which one must hold, of IPv6 between neighbours, which no router forwards: without
// neighbour discovery (RFC 4861) nothing works, and routing protocols, router advertisements, MLD and DHCP speak from and
// to link-local addresses.
func ofTheLink() [][]expr.Any {
	return [][]expr.Any{
		icmp6(133, 137),
		append(v6(), address(linkLocal6, false)...),
		append(v6(), address(linkLocal6, true)...),
		append(v6(), address(linkGroups, true)...),
	}
}
