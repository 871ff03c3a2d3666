package netcfg

import (
	"github.com/google/nftables/expr"
)

// matchHidden gives the conditions, one of which must hold, of packets that do not show what the rule asks for: later
// fragments have no ports, and those of IPv6 that begin with an extension header no protocol. What a permit may be meant
// for must not leave in clear, so the guard drops them, as the engine would seal them (package spd). nftables sees fragments
// as they are unless connection tracking puts them together.
func matchHidden(r rule) (out [][]expr.Any) {
	ip6 := r.Src.Addr().Is6()
	if !r.SrcPorts.Any() || !r.DstPorts.Any() {
		out = append(out, append(append(matchAddresses(r), l4(r.Proto)...), laterFragment(ip6)...))
	}
	if r.Proto == 0 || !ip6 {
		return out
	}
	for _, next := range [][2]byte{{0, 0}, {43, 44}, {60, 60}} { // as in esp/packet
		hidden := append(laterFragment(true),
			fragmentHeader(0, 1),
			&expr.Range{Op: expr.CmpOpEq, Register: 1, FromData: []byte{next[0]}, ToData: []byte{next[1]}})
		out = append(out, append(matchAddresses(r), hidden...))
	}
	return out
}

// laterFragment matches a fragment that is not the first: RFC 791 §3.1, RFC 8200 §4.5.
func laterFragment(ip6 bool) []expr.Any {
	load, mask := expr.Any(&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: 6, Len: 2}), []byte{0x1f, 0xff}
	if ip6 {
		load, mask = fragmentHeader(2, 2), []byte{0xff, 0xf8}
	}
	return []expr.Any{
		load,
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 2, Mask: mask, Xor: []byte{0, 0}},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: []byte{0, 0}},
	}
}

// fragmentHeader loads a part of the fragment header; a packet without one does not match.
func fragmentHeader(offset, length uint32) expr.Any {
	return &expr.Exthdr{DestRegister: 1, Type: 44, Offset: offset, Len: length, Op: expr.ExthdrOpIpv6}
}
