package netcfg

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Multicast groups of netlink that package vishvananda/netlink does not subscribe to (linux/rtnetlink.h).
const (
	groupRule4    = 8
	groupRule6    = 19
	groupNetconf4 = 24
	groupNetconf6 = 25
)

// genProcID is NFTA_GEN_PROC_PID: who made a transaction.
const genProcID = 2

// subscribe tells news of what others change in rules, in forwarding and filters of interfaces, and in nftables, until the
// returned function is called. What was lost on the way counts as a change.
func subscribe(changed func(filter bool), failed func(error)) (end func(), err error) {
	var open []*netlink.Conn
	end = func() {
		for _, c := range open {
			_ = c.Close()
		}
	}
	for _, s := range []struct {
		protocol int
		groups   []uint32
		matters  func(netlink.Message) bool
	}{
		{unix.NETLINK_ROUTE, []uint32{groupRule4, groupRule6, groupNetconf4, groupNetconf6}, func(netlink.Message) bool { return true }},
		{unix.NETLINK_NETFILTER, []uint32{unix.NFNLGRP_NFTABLES}, othersTransaction},
	} {
		c, err := netlink.Dial(s.protocol, nil)
		if err != nil {
			end()
			return nil, fmt.Errorf("netcfg: watch the kernel: %w", err)
		}
		open = append(open, c)
		filter := s.protocol == unix.NETLINK_NETFILTER
		for _, g := range s.groups {
			if err := c.JoinGroup(g); err != nil {
				end()
				return nil, fmt.Errorf("netcfg: watch the kernel: %w", err)
			}
		}
		go func() {
			for {
				messages, err := c.Receive()
				switch {
				case errors.Is(err, unix.ENOBUFS):
					changed(filter)
					continue
				case errors.Is(err, os.ErrClosed) || errors.Is(err, unix.EBADF):
					return
				case err != nil:
					failed(err)
					return
				}
				for _, m := range messages {
					if s.matters(m) {
						changed(filter)
						break
					}
				}
			}
		}()
	}
	return end, nil
}

// othersTransaction says whether a message is the end of a change of nftables that was not this process's.
func othersTransaction(m netlink.Message) bool {
	const generation = netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_NEWGEN)
	const header = 4 // struct nfgenmsg
	if m.Header.Type != generation || len(m.Data) < header {
		return false
	}
	d, err := netlink.NewAttributeDecoder(m.Data[header:])
	if err != nil {
		return true
	}
	d.ByteOrder = binary.BigEndian
	for d.Next() {
		if d.Type() == genProcID {
			return d.Uint32() != uint32(os.Getpid())
		}
	}
	return true
}

// soon is a timer that can be brought forward, not put off: what keeps happening does not keep things from being done.
type soon struct {
	*time.Timer
	at time.Time
}

func newSoon(d time.Duration) *soon { return &soon{time.NewTimer(d), time.Now().Add(d)} }

// within makes it fire within d.
func (s *soon) within(d time.Duration) {
	if at := time.Now().Add(d); at.Before(s.at) {
		s.set(d)
	}
}

func (s *soon) set(d time.Duration) {
	s.at = time.Now().Add(d)
	s.Reset(d)
}
