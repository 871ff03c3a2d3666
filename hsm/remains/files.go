package remains

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Files looks into a file, or into all files below a directory, and into their names. What disappears meanwhile is no error.
func (f *Finder) Files(path string) (all []Find, err error) {
	err = filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			if os.IsNotExist(err) && name != path {
				return nil
			}
			return err
		}
		all = append(all, f.Octets([]byte(name), 0, "the name "+name)...)
		if !d.Type().IsRegular() {
			return nil
		}
		b, err := os.ReadFile(name)
		if err != nil && !os.IsNotExist(err) {
			return err
		}
		all = append(all, f.Octets(b, 0, name)...)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("remains: %w", err)
	}
	return all, nil
}
