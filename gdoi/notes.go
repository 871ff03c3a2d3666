package gdoi

// Names of journal events (machine.Note). They are stable: operators grep and alert on them.
const (
	NoteKSStarted       = "ks-started"          // a key server took up a group, with or without stored state
	NoteGMRegistered    = "gm-registered"       // KS: a member got its keys; GM: we got ours
	NoteGMExpired       = "gm-expired"          // KS: a member did not come back in time
	NoteGMCleared       = "gm-cleared"          // KS: an operator took a member off the list
	NoteGMRemoved       = "gm-removed"          // KS: a member was removed from the group; it is refused from now on
	NoteGMRemovalWaits  = "gm-removal-waits"    // KS: one is to be removed, when the key custody gives out a KEK for that
	NoteGMReadmitted    = "gm-readmitted"       // KS: a removed one may register again
	NoteGMLeft          = "gm-left"             // KS: a member has stopped in order; it gets no rekeys
	NoteStopped         = "stopped"             // GM: it has stopped in order and forgotten its keys
	NoteNotAuthorised   = "not-authorised"      // an authenticated peer may not join the group
	NoteAuthFailed      = "auth-failed"         // phase 1 failed: wrong pre-shared key, or no common suite
	NoteRevoked         = "certificate-revoked" // a session or a member ended because its certificate was revoked
	NoteCRLs            = "crl-loaded"          // revocation lists were taken up
	NoteCRLExpired      = "crl-expired"         // one of them is out of date
	NotePhase1Up        = "phase1-up"           // a phase-1 SA was established
	NotePhase1Down      = "phase1-down"         // it ended
	NoteTEKCreated      = "tek-created"         // KS
	NoteTEKRetired      = "tek-retired"         // KS
	NoteKEKCreated      = "kek-created"         // KS
	NoteKEKRetired      = "kek-retired"         // both
	NoteKEKUpdated      = "kek-updated"         // GM: somebody was removed; the new KEK was derived from the key tree
	NoteRekeySent       = "rekey-sent"          // KS: first transmission of a GROUPKEY-PUSH
	NoteRekeyReceived   = "rekey-received"      // GM: it was accepted
	NoteRekeyMissed     = "rekey-missed"        // GM: one was due and did not come
	NoteSignFailed      = "sign-failed"         // KS: the custody did not sign; the rekey is retried
	NoteSignKeyRotated  = "sign-key-rotated"    // KS: another key signs rekeys, or will when the members trust it
	NoteSignKeyGone     = "sign-key-destroyed"  // KS: one that was rotated out is destroyed
	NoteCustodyLost     = "custody-lost"        // KS: the key custody is gone; no new keys, registrations or rekeys here. GM: no new phase 1
	NoteCustodyBack     = "custody-back"        // it is there again
	NotePersistFailed   = "persist-failed"      // KS: the store did not write; nothing that depends on it is sent
	NoteStateDiscarded  = "state-discarded"     // KS: stored state was unusable
	NoteKEKLost         = "kek-lost"            // KS: the key custody does not have a KEK of the group; members register again
	NoteSIDsExhausted   = "sids-exhausted"      // KS: no sender ids left under the current keys; new generation
	NoteGroupReset      = "group-reset"         // KS: everybody was told to register again
	NotePolicyPlanned   = "policy-planned"      // KS: an operator asked what the configuration file would change
	NotePolicyApplied   = "policy-applied"      // KS: a group has another configuration; digest names its access list
	NoteConfigRefused   = "config-refused"      // the configuration file, read again, cannot be used; the old one stays
	NoteConfigWarning   = "config-warning"      // the configuration file in force says something that should be thought about
	NoteNeedsRestart    = "needs-restart"       // the configuration file says what only a restart changes
	NoteGroupRemoved    = "group-removed"       // KS: a group has ended
	NoteRegistering     = "registering"         // GM: an attempt begins
	NoteRegisterFailed  = "register-failed"     // GM: it failed
	NoteRegisterLater   = "register-later"      // GM: the key server is not ready yet, and is asked again soon
	NoteReregister      = "reregister"          // GM: registering again, and why
	NoteSAInstalled     = "sa-installed"        // GM
	NoteSAActivated     = "sa-activated"        // GM
	NoteSARetired       = "sa-retired"          // GM
	NotePolicyChanged   = "policy-changed"      // GM
	NoteKeysExpired     = "keys-expired"        // GM: no keys left; fails closed or as configured
	NoteDeleteReceived  = "delete-received"     // GM: the key server withdrew keys
	NoteDatagramDropped = "datagram-dropped"    // a control-plane datagram was dropped; rate limited
	NoteUnknownSPI      = "unknown-spi"         // GM: the data plane sees keys that we do not have
	NoteSenderSpaceLow  = "sender-counters-low" // GM: the data plane runs out of IVs
	NoteTimeSet         = "time-set"            // GM: the group has a time; packets are stamped
	NoteTimeEnded       = "time-ended"          // GM: it has none any more
	NoteTimeJumped      = "time-jumped"         // GM: a correction was too large to be drift: another key server, or one that lost its time
	NoteTimeReplay      = "time-replay"         // GM: packets are dropped for their time stamps; sampled
	NoteOutOfTime       = "out-of-time"         // GM: all packets are: the clock may be wrong
)

// Names of journal events about acknowledgements.
const (
	NoteGMEjected    = "gm-ejected"           // KS: a member did not acknowledge several rekeys in a row
	NoteRekeyUnacked = "rekey-unacknowledged" // KS: some members did not acknowledge a rekey
)

// Names of journal events about cooperating key servers.
const (
	NoteCoopPeerUp      = "coop-peer-up"      // a peer is heard of
	NoteCoopPeerDown    = "coop-peer-down"    // it is not any more
	NoteCoopRole        = "coop-role"         // this key server is primary, or secondary; the field "role" says which, "reason" why
	NoteCoopPrimary     = "coop-primary"      // another key server is primary now; the field "primary" names it
	NoteCoopSynced      = "coop-synced"       // this secondary has all that the primary has, and registers members
	NoteCoopBlocked     = "coop-blocked"      // it does not register members, and why
	NoteCoopPolicy      = "coop-policy"       // the policy of a peer differs; the text holds the difference
	NoteCoopSplit       = "coop-split"        // key servers are out of reach
	NoteCoopHealed      = "coop-healed"       // all are in reach again
	NoteCoopMerge       = "coop-merge"        // keys of another side were taken over, to be distributed beside ours
	NoteCoopOneEpoch    = "coop-one-epoch"    // all members have one set of keys again
	NoteCoopHandover    = "coop-handover"     // an operator moved the primary
	NoteCoopUnprotected = "coop-unreplicated" // something went out though a live peer did not confirm it in time
	NoteCoopWrongTime   = "coop-wrong-time"   // an announcement whose group time is too far from ours
)
