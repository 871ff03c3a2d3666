package translate

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/daemon/loop"
	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/pki"
)

// reloadTimeout bounds the time that a machine may take for new revocation lists.
const reloadTimeout = 10 * time.Second

// Trust is the judge of certificates that is in force, nil inside where there are none, for those outside of the loop.
type Trust struct {
	cfg     *config.Certificates
	current atomic.Pointer[pki.Trust]
}

// NewTrust begins with what the configuration has read.
func NewTrust(c *config.Certificates) *Trust {
	t := &Trust{cfg: c}
	if c != nil {
		t.current.Store(c.Trust)
	}
	return t
}

// Reload reads the revocation lists again and has the machine take them up. After an error the old ones stay in force.
func (t *Trust) Reload(ctx context.Context, l *loop.Loop) (string, error) {
	if t.cfg == nil {
		return "", nil
	}
	fresh, err := t.cfg.LoadTrust()
	if err != nil {
		return "", fmt.Errorf("the old revocation lists stay in force: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, reloadTimeout)
	defer cancel()
	text, err := Command(ctx, l, func(id uint64) machine.Event { return gdoi.CmdTrust{Trust: fresh, ID: id} })
	if errors.Is(err, loop.ErrStopped) {
		return "", nil
	}
	if err == nil {
		t.current.Store(fresh)
	}
	return text, err
}

// soon is how long before its end a certificate of ours becomes a warning.
const soon = 14 * 24 * time.Hour

// Warnings says what is wrong with the revocation lists, and which certificates of ours end soon.
func (t *Trust) Warnings(now time.Time) []string {
	out := t.current.Load().Warnings(now)
	if t.cfg == nil {
		return out
	}
	for _, o := range t.cfg.Own {
		switch left := o.Chain[0].NotAfter.Sub(now); {
		case left <= 0:
			out = append(out, fmt.Sprintf("the certificate in %s has expired: peers refuse it; renew it and restart", o.File))
		case left < soon:
			out = append(out, fmt.Sprintf("the certificate in %s expires in %d days; renew it and restart", o.File, int(left/(24*time.Hour))))
		}
	}
	return out
}
