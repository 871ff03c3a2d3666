package compose

import "context"

// Left is that of the interface. An engine that does not answer has nothing of a lab that no file tells of, as Clear has it.
func (Driver) Left(name string) bool {
	if ids, err := containers(name); err != nil || len(ids) > 0 {
		return err == nil
	}
	networks, err := docker(context.Background(), "network", "ls", "--quiet", "--filter", "label="+label+"="+name)
	return err == nil && networks != ""
}
