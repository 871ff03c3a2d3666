package wire

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// Offsets of struct xdp_md (linux/bpf.h).
const (
	xdpData    = 0
	xdpDataEnd = 4
	xdpQueue   = 16
	xdpPass    = 2
)

// program is the XDP program on the WAN with its maps. Everything goes when the descriptors are closed, by the kernel if
// the process is killed.
type program struct {
	sockets *ebpf.Map // by receive queue
	self    *ebpf.Map // one value: the interface's address, padded to 8 octets
	prog    *ebpf.Program
	link    link.Link
	native  bool
}

// xdpCode gives whole ESP packets without a VLAN tag, for us or for a group, to the socket of their queue; all else, and what
// comes on a queue without a socket, goes on to the kernel.
func xdpCode(sockets, self int) asm.Instructions {
	const pass = "pass"
	return asm.Instructions{
		asm.LoadMem(asm.R2, asm.R1, xdpData, asm.Word),
		asm.LoadMem(asm.R3, asm.R1, xdpDataEnd, asm.Word),
		asm.Mov.Reg(asm.R4, asm.R2),
		asm.Add.Imm(asm.R4, etherLen+minIPv4), // enough for what is looked at of IPv6
		asm.JGT.Reg(asm.R4, asm.R3, pass),
		// The destination's address.
		asm.LoadMem(asm.R4, asm.R2, 0, asm.Byte),
		asm.JSet.Imm(asm.R4, 1, "ours"),
		asm.LoadMapValue(asm.R5, self, 0),
		asm.LoadMem(asm.R0, asm.R5, 0, asm.Word),
		asm.LoadMem(asm.R4, asm.R2, 0, asm.Word),
		asm.JNE.Reg(asm.R4, asm.R0, pass),
		asm.LoadMem(asm.R0, asm.R5, 4, asm.Half),
		asm.LoadMem(asm.R4, asm.R2, 4, asm.Half),
		asm.JNE.Reg(asm.R4, asm.R0, pass),
		asm.LoadMem(asm.R4, asm.R2, 12, asm.Half).WithSymbol("ours"),
		asm.JEq.Imm(asm.R4, int32(htons(unix.ETH_P_IPV6)), "v6"),
		asm.JNE.Imm(asm.R4, int32(htons(unix.ETH_P_IP)), pass),
		asm.LoadMem(asm.R4, asm.R2, etherLen+9, asm.Byte),
		asm.JNE.Imm(asm.R4, ProtocolESP, pass),
		asm.LoadMem(asm.R4, asm.R2, etherLen+6, asm.Half),
		asm.JSet.Imm(asm.R4, int32(htons(0x3fff)), pass), // MF or an offset: a fragment
		asm.Ja.Label("take"),
		asm.LoadMem(asm.R4, asm.R2, etherLen+6, asm.Byte).WithSymbol("v6"),
		asm.JNE.Imm(asm.R4, ProtocolESP, pass),
		asm.LoadMem(asm.R2, asm.R1, xdpQueue, asm.Word).WithSymbol("take"),
		asm.LoadMapPtr(asm.R1, sockets),
		asm.Mov.Imm(asm.R3, xdpPass),
		asm.FnRedirectMap.Call(),
		asm.Return(),
		asm.Mov.Imm(asm.R0, xdpPass).WithSymbol(pass),
		asm.Return(),
	}
}

func newProgram(queues int) (*program, error) {
	p := &program{}
	var err error
	if p.sockets, err = ebpf.NewMap(&ebpf.MapSpec{
		Name: "getvpn_queues", Type: ebpf.XSKMap, KeySize: 4, ValueSize: 4, MaxEntries: uint32(queues),
	}); err == nil {
		p.self, err = ebpf.NewMap(&ebpf.MapSpec{Name: "getvpn_mac", Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1})
	}
	if err == nil {
		p.prog, err = ebpf.NewProgram(&ebpf.ProgramSpec{
			Name: "getvpn_esp", Type: ebpf.XDP, License: "GPL", Instructions: xdpCode(p.sockets.FD(), p.self.FD()),
		})
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("load the XDP program (needs CAP_BPF, not in a user namespace): %w", err), p.close())
	}
	return p, nil
}

func (p *program) setMAC(mac [6]byte) error {
	var v [8]byte
	copy(v[:], mac[:])
	return p.self.Put(uint32(0), v)
}

// attach puts the program on the interface: in the driver, else before the kernel's stack.
func (p *program) attach(index int) error {
	for _, mode := range []link.XDPAttachFlags{link.XDPDriverMode, link.XDPGenericMode} {
		l, err := link.AttachXDP(link.XDPOptions{Program: p.prog, Interface: index, Flags: mode})
		if err == nil {
			p.link, p.native = l, mode == link.XDPDriverMode
			return nil
		}
		if errors.Is(err, unix.EBUSY) || errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("there is an XDP program on the interface already: %w", err)
		}
		if mode == link.XDPGenericMode {
			return fmt.Errorf("attach the XDP program: %w", err)
		}
	}
	return nil
}

func (p *program) close() error {
	var err error
	if p.link != nil {
		err = p.link.Close()
	}
	return errors.Join(err, p.prog.Close(), p.self.Close(), p.sockets.Close())
}
