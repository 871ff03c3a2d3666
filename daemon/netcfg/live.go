package netcfg

import (
	"errors"
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// tableOwner is NFT_TABLE_F_OWNER (Linux 5.12): a table that only the socket that made it can change, and that the kernel
// deletes when the socket closes.
const tableOwner = 2

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

// newLive makes an empty table of our own. Package nftables cannot set the flag, so the message is made here and sent
// over its socket.
func newLive(name string) (*live, error) {
	var socket *netlink.Conn
	conn, err := newConn(nftables.AsLasting(), nftables.WithSockOptions(func(c *netlink.Conn) error {
		socket = c
		return nil
	}))
	if err != nil {
		return nil, err
	}
	if err := addOwned(socket, name); err != nil {
		return nil, errors.Join(fmt.Errorf("netcfg: make table %s, which ends with the daemon (Linux 5.12 or newer?): %w", name, err), conn.CloseLasting())
	}
	return &live{conn, &nftables.Table{Name: name, Family: nftables.TableFamilyINet}}, nil
}

// addOwned sends a transaction of one table.
func addOwned(c *netlink.Conn, name string) error {
	attrs, err := netlink.MarshalAttributes([]netlink.Attribute{
		{Type: unix.NFTA_TABLE_NAME, Data: []byte(name + "\x00")},
		{Type: unix.NFTA_TABLE_FLAGS, Data: binaryutil.BigEndian.PutUint32(tableOwner)},
	})
	if err != nil {
		return err
	}
	message := func(typ uint16, flags netlink.HeaderFlags, family byte, subsystem uint16, attrs []byte) netlink.Message {
		head := append([]byte{family, unix.NFNETLINK_V0}, binaryutil.BigEndian.PutUint16(subsystem)...) // struct nfgenmsg
		return netlink.Message{Header: netlink.Header{Type: netlink.HeaderType(typ), Flags: netlink.Request | flags}, Data: append(head, attrs...)}
	}
	if _, err := c.SendMessages([]netlink.Message{
		message(unix.NFNL_MSG_BATCH_BEGIN, 0, unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES, nil),
		message(unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_NEWTABLE, netlink.Acknowledge|netlink.Create|netlink.Excl, unix.NFPROTO_INET, 0, attrs),
		message(unix.NFNL_MSG_BATCH_END, 0, unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES, nil),
	}); err != nil {
		return err
	}
	_, err = c.Receive() // the answer to the one message that asks for one
	return err
}
