package netcfg

// Where the protocol of the quoted packet is in an ICMP error, behind the ICMP header.
const (
	quotedProtocol = 8 + 9
	quotedNext     = 8 + 6
)

// dropESPErrors keeps ICMP errors about ESP packets from the hosts that they are addressed to, which would not know what to
// do with them. The data path hears them nevertheless (esp/wire, Errors) and tells the hosts what they mean.
func (c *Config) dropESPErrors(b *batch, forward *hook) {
	for _, typ := range []byte{3, 11, 12} { // RFC 792: unreachable, time exceeded, parameter problem
		b.rule(forward, iif(c.WAN), v4(), l4(protoICMP), transport(0, []byte{typ}), transport(quotedProtocol, []byte{protoESP}), drop())
	}
	b.rule(forward, iif(c.WAN), icmp6(1, 4), transport(quotedNext, []byte{protoESP}), drop())
}

// muteESPErrors keeps the kernel from telling senders that nobody takes their ESP, while there is no daemon: the hosts that they
// are addressed to have sent no ESP. Of IPv6 the gateway says it in its own name (RFC 8200 §4: parameter problem).
func (c *Config) muteESPErrors(b *batch, output *hook) {
	b.rule(output, oif(c.WAN), v4(), l4(protoICMP), transport(0, []byte{3}), transport(quotedProtocol, []byte{protoESP}), drop())
	b.rule(output, oif(c.WAN), icmp6(4, 4), transport(quotedNext, []byte{protoESP}), drop())
}
