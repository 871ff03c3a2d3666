// Package isakmp is the wire format: ISAKMP (RFC 2408) with the payloads of IKEv1 phase 1 (RFC 2407, 2409, 3706, 3947)
// and of GDOI (RFC 6407, 8263). It turns octets into structs and back and knows no state, no key and no policy.
//
//	datagram = header | chain of payloads | padding        the padding only under encryption
//
//	header.go      Header, Message                 types.go       payload and exchange types, flags
//	chain.go       Payload, Raw, ParseChain        attribute.go   data attributes, Basic and Variable
//	cursor.go      bounds-checked reading          vendors.go     vendor IDs
//
//	saphase1.go    SA of phase 1: P, T             sagdoi.go      SA of GDOI: SAK, GAP, SAT inside
//	ke.go nonce.go id.go                           sak.go gap.go sat.go trafficid.go
//	cert.go certreq.go hash.go sig.go              kd.go          key packets: TEK, KEK, LKH, SID
//	notify.go delete.go vendorid.go                seq.go
//	natd.go natoa.go                               coop.go        between key servers
//
//	numbers_phase1.go  numbers_kek.go  numbers_tek.go       every registry, with names for consoles
//
// The way in is ParseHeader, then decryption by the caller, then ParseChain, then ParseX on Raw.Body by the type that
// the exchange expects; hashes and signatures are taken over Raw.Wire. The way out is Message, or AppendChain and what
// the caller's cipher adds. The two SA layouts share a payload type: the exchange tells which one to parse.
//
// # What is accepted
//
// Every error of a parser wraps ErrMalformed and names payload and offset. Reserved octets must be zero, lengths must
// fit, nothing may be left over, and what is accepted is written back octet for octet. A chain has at most MaxPayloads,
// an SA at most MaxSATs, a KD at most MaxKeyPackets. RFC 2408 §5.3 has a message with an unassigned payload type
// discarded: ParseChain does that, in this one place, and lets private types through for the caller to skip. Unknown
// attributes are the caller's to judge, since RFC 6407 wants an abort where RFC 2409 wants another proposal.
//
// Exceptions, because programs in the field need them; the comments starting with "Deviation:" say more:
//
//   - SAK: six reserved octets instead of four;
//   - SAK and SAT: identity lengths of two octets instead of one;
//   - numbers: Basic where the RFC says Variable, and the reverse (Attribute.Uint).
//
// The first two are written back in the RFC's form, which is stable; attributes keep the form they came in.
//
// # Concurrency and memory
//
// Functions are pure and values may be shared while nobody changes them. Parsed slices alias the input, key material
// included: who wipes or reuses the buffer must have copied what it keeps.
package isakmp
