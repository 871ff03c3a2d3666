package remains

import (
	"bytes"
	"fmt"
	"os"
	"strings"
)

// region is a line of /proc/PID/maps that can be read.
type region struct {
	from, to uint64
	path     string // "" if anonymous
}

func (r region) String() string {
	name := r.path
	if name == "" {
		name = "anonymous memory"
	}
	return fmt.Sprintf("%s (%x-%x)", name, r.from, r.to)
}

// maps reads the memory map of a process; what belongs to the kernel is left out.
func maps(pid int) ([]region, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return nil, fmt.Errorf("remains: %w", err)
	}
	var all []region
	for line := range bytes.Lines(text) {
		var r region
		var perms, offset, dev string
		var inode uint64
		if _, err := fmt.Sscanf(string(line), "%x-%x %s %s %s %d", &r.from, &r.to, &perms, &offset, &dev, &inode); err != nil {
			return nil, fmt.Errorf("remains: /proc/%d/maps: %q: %w", pid, line, err)
		}
		if f := strings.Fields(string(line)); len(f) > 5 {
			r.path = strings.Join(f[5:], " ")
		}
		if perms[0] == 'r' && !strings.HasPrefix(r.path, "[v") {
			all = append(all, r)
		}
	}
	return all, nil
}
