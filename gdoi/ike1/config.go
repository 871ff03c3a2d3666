package ike1

import (
	"net/netip"
	"time"

	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/pki"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// Config is what all sessions of one role have in common. It is not changed while sessions use it.
type Config struct {
	// Local is our identity; the zero value means ID_IPV4_ADDR of the session's local address, and ID_DER_ASN1_DN without
	// data the subject of the certificate that is used.
	Local isakmp.ID
	// Suites, best first. The initiator proposes them in this order; the responder takes the first of its own
	// list that was proposed. Nil means suite.DefaultPhase1.
	Suites []suite.Phase1
	// Lifetime of the SA; the shorter one of both sides holds. Zero means DefaultLifetime.
	Lifetime time.Duration
	// PSK finds the pre-shared key by the peer's address (RFC 2409 §5.4), nil if there is none. The session does
	// not keep or wipe the secret.
	PSK func(peer netip.Addr) *machine.Secret
	// Credentials are our certificates, at most one for each authentication method and authority. Without any, suites
	// with certificates are neither proposed nor chosen. They may be replaced by others between two events.
	Credentials []Credential
	// Trust judges the certificates of peers. It may be replaced by another one between two events.
	Trust *pki.Trust
	// OmitFragmentation leaves long messages to the fragmentation of IP.
	OmitFragmentation bool
	// AcceptID may refuse an authenticated identity; nil accepts. Whatever it says, an identity that is an address
	// must be the peer's own (RFC 4945 §3.1.1).
	AcceptID func(peer netip.Addr, id isakmp.ID) bool
	// DPDInterval is the silence after which the peer is asked; zero never asks, but answers.
	DPDInterval time.Duration
	// RetransmitBase is the first wait for an answer. Zero means DefaultRetransmitBase.
	RetransmitBase time.Duration
	// VendorIDs are sent besides DPD and GetVPN.
	VendorIDs [][]byte
	// OmitInitialContact suppresses INITIAL-CONTACT: for an initiator that means to keep older sessions.
	OmitInitialContact bool
	// KeyLog, if set, is told the keys of every SA as they are derived, so that a simulator can show what its nodes say to each
	// other. It must copy what it keeps. No daemon sets it.
	KeyLog func(ckyI, ckyR isakmp.Cookie, s suite.Phase1, k *suite.Phase1Keys)
}

func (c *Config) suites() []suite.Phase1 {
	if c.Suites == nil {
		return suite.DefaultPhase1()
	}
	return c.Suites
}

func (c *Config) lifetime() time.Duration {
	if c.Lifetime <= 0 {
		return DefaultLifetime
	}
	return c.Lifetime
}

func (c *Config) retransmitBase() time.Duration {
	if c.RetransmitBase <= 0 {
		return DefaultRetransmitBase
	}
	return c.RetransmitBase
}

func (c *Config) psk(peer netip.Addr) *machine.Secret {
	if c.PSK == nil {
		return nil
	}
	return c.PSK(peer)
}

// identity is the ID payload that we send from local.
func (c *Config) identity(local netip.Addr) isakmp.ID {
	if len(c.Local.Data) != 0 {
		return c.Local
	}
	return AddressID(local)
}

// AddressID is the identity of an address.
func AddressID(a netip.Addr) isakmp.ID {
	t := isakmp.IDIPv6Addr
	if a = a.Unmap(); a.Is4() {
		t = isakmp.IDIPv4Addr
	}
	return isakmp.ID{IDType: t, Data: a.AsSlice()}
}

// vendorIDs are the VID payloads of messages 1 and 2.
func (c *Config) vendorIDs() []isakmp.Payload {
	ps := []isakmp.Payload{isakmp.VendorID{Data: isakmp.VendorIDDPD}, isakmp.VendorID{Data: isakmp.VendorIDGetVPN}}
	if c.fragments() {
		ps = append(ps, isakmp.VendorID{Data: isakmp.VendorIDFragmentation})
	}
	for _, v := range c.VendorIDs {
		ps = append(ps, isakmp.VendorID{Data: v})
	}
	return ps
}
