package netcfg

import (
	"fmt"

	"github.com/google/nftables"

	"github.com/getvpn/getvpn/esp/owned"
)

// live is a table that ends with this process.
type live struct {
	conn  *nftables.Conn
	table *nftables.Table
}

// setLive brings the live table in line with the groups; it is made when the first fail-open group is registered.
func (n *Net) setLive() error {
	if n.live == nil {
		if len(guardedGroups(n.groups, true)) == 0 {
			return nil
		}
		var err error
		if n.live, err = newLive(guardName(n.cfg.Name) + "_live"); err != nil {
			return err
		}
	}
	_, err := replace(n.live.conn, n.live.table, func(b *batch) { n.cfg.fillLive(b, n.groups) })
	return err
}

func (n *Net) endLive() error {
	if n.live == nil {
		return nil
	}
	err := n.live.conn.CloseLasting()
	n.live = nil
	return err
}

// newLive makes an empty table of our own.
func newLive(name string) (*live, error) {
	conn, table, err := owned.New(nftables.TableFamilyINet, name, buffers)
	if err != nil {
		return nil, fmt.Errorf("netcfg: %w", err)
	}
	return &live{conn, table}, nil
}
