// Package ike1 is phase 1 of IKEv1 under GDOI: one Session is one Main Mode negotiation with pre-shared keys or
// certificates, in either role, and then the ISAKMP SA that it established.
//
//	Initiator                                   Responder
//	Idle                                        Idle        NewResponder(message 1), then Start
//	SentSA    1  HDR, SA, VIDs            ──▶
//	          2                           ◀──   SentSA      HDR, SA (chosen transform, unmodified), VIDs
//	SentKE    3  HDR, KE, Ni              ──▶               the responder's only exponentiations
//	          4                           ◀──   SentKE      HDR, KE, Nr
//	SentAuth  5  HDR*, IDii, HASH_I, [N]  ──▶
//	          6                           ◀──   Established HDR*, IDir, HASH_R
//	Established                                 any state ──▶ Dead, which wipes all keys
//
// With certificates (RFC 2409 §5.1, RFC 4754, RFC 4945), messages 3 and 4 also have CERTREQ, and
//
//	Signing                               ──▶               our custody makes the signature: machine.Sign, Signed
//	SentAuth  5  HDR*, IDii, CERTs, SIG_I ──▶   Signing     path and signature verified, then ours is made
//	          6                           ◀──   Established HDR*, IDir, CERTs, SIG_R
//
// Those two may be long, and then leave in fragments (fragment.go). Package pki judges the certificates.
//
// Then Informational exchanges (Delete, Notify, dead peer detection) are handled here, and GROUPKEY-PULL takes an
// Exchange from the session for its encryption and PRF for its hashes.
//
// Nothing that anybody could have forged ends or changes a session: such a message is an Error with ErrIgnored, and the
// genuine one still works after it. (With certificates, a few forged proofs do end a negotiation, because each costs a
// verification; to forge one takes somebody on the path who holds the genuine one up.) A notify in clear is remembered as a
// hint for the error text, no more.
// A session resends: the initiator its last message, by timer; the responder its last answer, when the identical
// message comes again. Timers and limits are in timers.go.
//
// RFC 2408, 2409, 3706 (DPD), 6407 §2 (DOI 2, situation 0). A Session belongs to one goroutine.
package ike1
