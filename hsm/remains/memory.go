package remains

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// chunk is how much of a process is read at once.
const chunk = 1 << 20

// Memory looks into everything that a process can read of itself. The process goes on, so what moves may be missed or be
// found twice; look again. It needs the rights of a debugger: root, or the same user and a process that lets itself be dumped.
func (f *Finder) Memory(pid int) ([]Find, error) {
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		return nil, fmt.Errorf("remains: %w", err)
	}
	defer mem.Close()
	regions, err := maps(pid)
	if err != nil {
		return nil, err
	}
	own := owners(mem, regions)
	var all []Find
	buf := make([]byte, chunk+f.longest)
	for _, r := range regions {
		for at := r.from; at < r.to; at += chunk {
			n, err := mem.ReadAt(buf[:min(uint64(len(buf)), r.to-at)], int64(at)) //nolint:gosec // user space
			if err != nil && !gone(err) {
				return nil, fmt.Errorf("remains: %s: %w", r, err)
			}
			all = append(all, f.pages(buf[:n], min(n, chunk), at, r.String())...)
		}
	}
	for i := range all {
		all[i].Owner = own.of(all[i].At)
	}
	return all, nil
}

// pages leaves out what is empty.
func (f *Finder) pages(b []byte, limit int, base uint64, place string) (all []Find) {
	const page = len(zeros)
	for i := 0; i < limit; {
		if empty(b[i:min(i+page, len(b))]) {
			i += page
			continue
		}
		// As far as the next empty page, so that nothing is cut.
		end := i + page
		for end < limit && !empty(b[end:min(end+page, len(b))]) {
			end += page
		}
		stop := min(end+f.longest, len(b))
		all = append(all, f.in(b[i:stop], min(end, limit)-i, base+uint64(i), place)...) //nolint:gosec // not negative
		i = end
	}
	return all
}

// gone: the region was unmapped meanwhile, or is one that cannot be read.
func gone(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.EIO) || errors.Is(err, syscall.EFAULT)
}
