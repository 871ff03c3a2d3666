// Package owned makes nftables tables that belong to a socket: only it can change them, and the kernel deletes them when it
// closes, also when the process is killed.
package owned

import (
	"errors"
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// flag is NFT_TABLE_F_OWNER (Linux 5.12). Package nftables cannot set it, so the message is made here and sent over its socket.
const flag = 2

// New makes an empty table. CloseLasting of the connection ends it.
func New(family nftables.TableFamily, name string, options ...nftables.ConnOption) (*nftables.Conn, *nftables.Table, error) {
	var socket *netlink.Conn
	conn, err := nftables.New(append(options, nftables.AsLasting(), nftables.WithSockOptions(func(c *netlink.Conn) error {
		socket = c
		return nil
	}))...)
	if err != nil {
		return nil, nil, fmt.Errorf("nftables: %w", err)
	}
	if err := add(socket, family, name); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("make table %s, which ends with the process (Linux 5.12 or newer?): %w", name, err), conn.CloseLasting())
	}
	return conn, &nftables.Table{Name: name, Family: family}, nil
}

// add sends a transaction of one table.
func add(c *netlink.Conn, family nftables.TableFamily, name string) error {
	attrs, err := netlink.MarshalAttributes([]netlink.Attribute{
		{Type: unix.NFTA_TABLE_NAME, Data: []byte(name + "\x00")},
		{Type: unix.NFTA_TABLE_FLAGS, Data: binaryutil.BigEndian.PutUint32(flag)},
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
		message(unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_NEWTABLE, netlink.Acknowledge|netlink.Create|netlink.Excl, byte(family), 0, attrs),
		message(unix.NFNL_MSG_BATCH_END, 0, unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES, nil),
	}); err != nil {
		return err
	}
	_, err = c.Receive() // the answer to the one message that asks for one
	return err
}
