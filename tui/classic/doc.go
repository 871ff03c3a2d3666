// Package classic prints what daemons say in the words of the field: the commands, labels and layout that operators of
// commercial GET VPN have in their fingers, and that their scripts and parsers read. It is pure: a snapshot goes in, text or
// typed data comes out.
//
//	show [crypto] {gdoi | gkm} [group NAME] [detail]
//	show [crypto] [gdoi | gkm] [group NAME] {ks | gm | rekey} ...
//
// Words may be cut short as on a router, where that is not ambiguous. One daemon is one device; the console prints several
// one after the other, each under the line that its prompt would have.
//
// Where a device has state that we have not, a field is left out, or printed as a device prints an absent value (none, n/a,
// ---, 0.0.0.0, Disabled). What devices call by names of their own maps to ours so:
//
//	access-list name   the group's name, of several SAs theirs
//	handle             group: its place on the daemon; key server: its number
//	KSSID              the three highest bits of a sender id, by which these are divided among key servers
//	my-, his-cookie    the halves of the KEK's SPI
//	sig key name       as one word, with _ for - and other marks; --json has it as it is
//	sig key length     octets of the public key as a SubjectPublicKeyInfo (bits on a member)
//	version            of a member that of its GDOI extensions; of a key server that of its software
package classic
