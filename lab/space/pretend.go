package space

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// call is a system call by which a program becomes another user, or gives a file to one; ids are the arguments that name users and
// groups. setgroups has none: it is forbidden in a user namespace that its user has made alone.
type call struct {
	number uint32
	ids    []uint32
}

var calls = []call{
	{unix.SYS_SETGROUPS, nil}, {unix.SYS_SETUID, []uint32{0}}, {unix.SYS_SETGID, []uint32{0}}, {unix.SYS_SETREUID, []uint32{0, 1}},
	{unix.SYS_SETREGID, []uint32{0, 1}}, {unix.SYS_SETRESUID, []uint32{0, 1, 2}}, {unix.SYS_SETRESGID, []uint32{0, 1, 2}},
	{unix.SYS_FCHOWN, []uint32{1, 2}}, {unix.SYS_FCHOWNAT, []uint32{2, 3}},
}

// arches are those that pretend knows: how the kernel names them, and chown and lchown where they have them.
var arches = map[string]struct {
	audit uint32
	chown []call
}{
	"amd64": {unix.AUDIT_ARCH_X86_64, []call{{92, []uint32{1, 2}}, {94, []uint32{1, 2}}}},
	"arm64": {unix.AUDIT_ARCH_AARCH64, nil},
}

// The layout of struct seccomp_data, see seccomp(2).
const (
	offsetCall = 0
	offsetArch = 4
	offsetArgs = 16 // 64 bits each; ids are the lower half, which comes first on the architectures above
)

// pretend makes this process, and all that it starts, believe that they became another user, or gave a file to one, when they wanted
// to. In the space there is no other; programs such as tcpdump and routing daemons end if they cannot give root's rights up, and here
// these are no more than the user's.
func pretend() error {
	arch, known := arches[runtime.GOARCH]
	if !known {
		return nil
	}
	f := filter(arch.audit, append(arch.chown, calls...))
	prog := unix.SockFprog{Len: uint16(len(f)), Filter: &f[0]} //nolint:gosec // less than a hundred
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog)))
	runtime.KeepAlive(f)
	if errno != 0 {
		return fmt.Errorf("seccomp: %w", errno)
	}
	return nil
}

// filter answers a call with success if one of its ids is another than root's (0) or none (-1), or it has none, and lets all else be.
func filter(arch uint32, calls []call) []unix.SockFilter {
	load := func(at uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: at}
	}
	skipIf := func(v uint32, yes, no int) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: uint8(yes), Jf: uint8(no), K: v} //nolint:gosec // small
	}
	end := func(action uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: action}
	}
	const success = unix.SECCOMP_RET_ERRNO // with error 0
	out := []unix.SockFilter{load(offsetArch), skipIf(arch, 1, 0), end(unix.SECCOMP_RET_ALLOW)}
	for _, c := range calls {
		var body []unix.SockFilter
		for _, i := range c.ids {
			body = append(body, load(offsetArgs+8*i), skipIf(0, 2, 0), skipIf(^uint32(0), 1, 0), end(success))
		}
		if len(c.ids) > 0 {
			body = append(body, end(unix.SECCOMP_RET_ALLOW))
		} else {
			body = append(body, end(success))
		}
		out = append(append(out, load(offsetCall), skipIf(c.number, 0, len(body))), body...)
	}
	return append(out, end(unix.SECCOMP_RET_ALLOW))
}
