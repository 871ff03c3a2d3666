package isakmp

// The vendor IDs that we send or understand.
var (
	// VendorIDDPD announces dead peer detection, RFC 3706 §5.1 (major version 1, minor 0).
	VendorIDDPD = []byte("\xaf\xca\xd7\x13\x68\xa1\xf1\xc9\x6b\x86\x96\xfc\x77\x57\x01\x00")
	// VendorIDNATT announces NAT traversal: the MD5 of "RFC 3947".
	VendorIDNATT = []byte("\x4a\x13\x1c\x81\x07\x03\x58\x45\x5c\x57\x28\xf2\x0e\x95\x45\x2f")
	// VendorIDFragmentation announces fragments of phase-1 messages (PayloadFragment): the MD5 of "FRAGMENTATION". Some
	// append four octets of flags.
	VendorIDFragmentation = []byte("\x40\x48\xb7\xd5\x6e\xbc\xe8\x85\x25\xe7\xde\x7f\x00\xd6\xc2\xd3")
	// VendorIDGetVPN announces our extensions: the first 16 octets of the SHA-256 of "getvpn GDOI extensions 1".
	VendorIDGetVPN = []byte("\x32\x06\xe7\x6e\x77\x14\x3a\x61\x0a\xe6\x39\xcb\xde\xab\xfe\xc9")
)
