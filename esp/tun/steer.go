package tun

import (
	"fmt"
	"runtime"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

// steer makes the kernel choose the queue by the addresses of a packet alone. By itself it chooses the queue to which
// the answers were written last, which lets a flow change queues while packets of it are waiting in the first one. The
// addresses are also what spreads ESP over the queues of the WAN, and fragments, which have no ports, stay with their flow.
func steer(fd int) error {
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "getvpn_steer", Type: ebpf.SocketFilter, License: "Dual MIT/GPL", Instructions: steering(),
	})
	if err != nil {
		return fmt.Errorf("tun: program that chooses queues (needs CAP_BPF of the initial user namespace): %w", err)
	}
	defer prog.Close()
	pfd := int32(prog.FD())
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TUNSETSTEERINGEBPF, uintptr(unsafe.Pointer(&pfd)))
	runtime.KeepAlive(prog)
	if errno != 0 {
		return fmt.Errorf("tun: TUNSETSTEERINGEBPF: %w", errno)
	}
	return nil
}

// steering returns a hash of the addresses; the kernel takes it modulo the number of queues. It is the same for both
// directions of a pair of hosts.
func steering() asm.Instructions {
	in := asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1), // where LoadAbs looks for the packet
		asm.LoadAbs(0, asm.Byte),
		asm.RSh.Imm(asm.R0, 4),
		asm.Mov.Imm(asm.R7, 0),
		asm.JEq.Imm(asm.R0, 6, "six"),
	}
	mix := func(offsets ...int32) {
		for _, at := range offsets {
			in = append(in, asm.LoadAbs(at, asm.Word), asm.Xor.Reg(asm.R7, asm.R0))
		}
	}
	mix(12, 16)
	in = append(in, asm.Ja.Label("hash"))
	six := len(in)
	mix(8, 12, 16, 20, 24, 28, 32, 36)
	in[six] = in[six].WithSymbol("six")
	return append(in,
		asm.Mul.Imm32(asm.R7, 0x61c88647).WithSymbol("hash"), // Fibonacci hashing: the low bits of addresses are much alike
		asm.Mov.Reg32(asm.R0, asm.R7),
		asm.RSh.Imm32(asm.R0, 16),
		asm.Return(),
	)
}
