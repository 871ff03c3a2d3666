// Package pull is the GROUPKEY-PULL exchange (RFC 6407 §3), with which a member registers, both sides:
//
//	member (Initiator)                                  key server (Responder)
//	------------------                                  ----------------------
//	(1) HDR*, HASH(1), Ni, ID        ------------->     WantPolicy: authorise, then Policy or Refuse
//	                                 <-------------     (2) HDR*, HASH(2), Nr, SA
//	    parse SA, Accept
//	(3) HDR*, HASH(3) [, GAP]        ------------->     WantKeys: change state, then Keys
//	                                 <-------------     (4) HDR*, HASH(4) [, SEQ], KD
//	    Offer
//
//	HASH(1) = prf(SKEYID_a, M-ID | Ni | ID)             HASH(2) = prf(SKEYID_a, M-ID | Ni_b | Nr | SA)
//	HASH(3) = prf(SKEYID_a, M-ID | Ni_b | Nr_b [|GAP])  HASH(4) = prf(SKEYID_a, M-ID | Ni_b | Nr_b [|SEQ] | KD)
//
// All four are encrypted under the phase-1 SA; the IV chain of the exchange is ike1.Exchange. A key server changes
// no state of the group before message 3 has verified, since only that proves that message 1 is not a replay (§7.2.5).
//
// The Offer is what a key server grants, in domain terms; Offer.SA, Offer.KD and ParseOffer translate it to and from
// payloads, and package push shares them.
//
// Retransmission: the member repeats its last message after 1, 2, 4 and 8 s; the key server answers an identical
// request with its identical answer, and never of itself. A message that does not verify leaves the state untouched.
//
// Extension: where both sides sent isakmp.VendorIDGetVPN in phase 1, the GAP payload carries the whole ordered
// access list (isakmp.GAPGetVPNAccessList), because SATs can say neither deny nor port ranges. Others get the permits
// alone, as one SAT each. The mode of the group (isakmp.GAPGetVPNMode) and, while a policy changes, the one before it
// (isakmp.GAPGetVPNFormer) are there too, the time of the group (isakmp.GAPGetVPNTime), if it has one, and the keys with which
// other key servers of the group sign rekeys (isakmp.GAPGetVPNTrusted), where they have keys of their own. Receive-only is also
// the SA Direction of the SATs (RFC 6407 §5.5.1.1.2).
//
// A value belongs to one goroutine.
package pull
