package sim

import (
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/keyserver"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// secret is a TEK that members have, or had.
type secret struct {
	spi  gdoi.SPI
	hex  string          // of its beginning
	ends machine.Instant // of the run
}

// watchedSecrets is how many keys are looked for.
const watchedSecrets = 32

// secret notes a key that a member installs.
func (c *Checker) secret(t gdoi.TEK) {
	for _, s := range c.secrets {
		if s.spi == t.SPI {
			return
		}
	}
	ends := c.s.now.Add(t.Expires.Sub(t.Created))
	c.secrets = append(c.secrets, secret{t.SPI, hex.EncodeToString(t.Key.Bytes()[:8]), ends})
	if len(c.secrets) > watchedSecrets {
		c.secrets = c.secrets[1:]
	}
}

// leaks looks for keys in a journal.
func (c *Checker) leaks(n *Node, e machine.Note) {
	for _, s := range c.secrets {
		found := strings.Contains(e.Text, s.hex) || strings.Contains(e.Reason, s.hex)
		for _, f := range e.Fields {
			found = found || strings.Contains(f.Value, s.hex)
		}
		if found {
			c.violate(n, "leak", "the journal has the key of %v", s.spi)
		}
	}
}

// forgetting is how long after its end a key server may have a key on its disk.
const forgetting = time.Minute

// forgotten looks whether key servers have forgotten keys that ended long ago.
func (c *Checker) forgotten() {
	for _, n := range c.s.KeyServers() {
		if !n.Up() || n.paused || n.store != nil || n.slow > 0 {
			continue
		}
		for _, s := range c.secrets {
			if c.s.now < s.ends.Add(forgetting) {
				continue
			}
			if _, ok := n.disk[diskKey{keyserver.Bucket(c.group), fmt.Sprintf("tek/%08x", uint32(s.spi))}]; ok {
				c.once("kept", fmt.Sprintf("%s still has %v, which ended %v ago", n.Name, s.spi, c.s.now.Sub(s.ends)))
			}
		}
	}
}
