// Package push is the GROUPKEY-PUSH message (RFC 6407 §4), with which a key server replaces keys, both sides:
//
//	HDR*, SEQ, [D,]* [SA, KD,] SIG
//
// The header's cookies are the SPI of the KEK, the message id is zero, and everything after it is encrypted under the
// KEK with its static IV: nothing is chained between messages. SIG is over
//
//	"rekey" | HDR | SEQ | D | SA | KD
//
// in clear. The RFC does not say which Length that HDR holds. The 2011 reference program hashes it with the E flag
// set and the length of the message without CBC padding, and so do we; Open tries the transmitted length after that.
// RSA signs in the form of RFC 6407 §5.3.6.1, or in that of older key servers; ECDSA over P-256 and P-384 as r | s of RFC 4754,
// with the hash of its curve. Keys that are trusted beside the KEK's may be of another algorithm than the SAK names.
//
// Key server: Build gives the digest, the key custody signs it (Unsigned.Sign), Finish gives the datagram, or, where the
// custody keeps the KEK too, AddSignature the plaintext that it encrypts and Datagram the datagram. A
// Transmission repeats its identical octets to each member, paced, in virtual time, until that has acknowledged it.
//
// Member: a Receiver holds one KEK and opens datagrams in the order of §4.4: form, SEQ strictly greater than the last
// accepted, signature, content. A retransmission is ErrDuplicate and costs no decryption.
//
// An acknowledgement (ack.go, RFC 8263) is HDR, HASH, SEQ, ID, in clear, under the cookies of the PUSH:
//
//	ack_key = prf(base_key, "GROUPKEY-PUSH ACK" NUL | SPI | L)      HASH = prf(ack_key, SEQ | ID)
//
// A value belongs to one goroutine.
package push
