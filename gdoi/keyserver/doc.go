// Package keyserver is a group's life on its key server: who is in it, which keys it has, and how the next keys reach
// everybody before anybody uses them.
//
// # Rollover
//
// One length of time rules all: A, the activation delay (30 s unless configured). A key that ends at E is replaced like
// this, TEK and KEK alike:
//
//	T0 = E-4A   the new key is made, made durable, and pushed; a member receives with it as soon as it has it
//	T0+A/4      the same datagram again to those who have not acknowledged it, retransmits times until T0+A/2 (10 s apart
//	            where A allows that)
//	T0+A        a member that expected a rekey and saw none registers again, within A/2; the answer holds both keys
//	T0+2A       everybody sends with the new TEK (ACTIVATION_TIME_DELAY: 2A in a PUSH, what is left of it in a PULL);
//	            PUSH messages go under the new KEK
//	T0+4A = E   the old key is destroyed (DEACTIVATION_TIME_DELAY: 4A, so that members know A)
//
// So a PUSH that is lost altogether costs nothing but one registration. A PUSH always carries all TEKs that are alive,
// and the KEK while its predecessor lives: a member that missed one message has what it needs from the next. While a KEK
// is younger than 2A, every PUSH goes out twice, under it and under its predecessor, because members that registered
// just now know only the new one, and members that missed its announcement only the old one.
//
// When the key server was away and E is nearer than 4A, it divides what is left: half of it until activation. An
// operator's rekey is an ordinary rollover whose old keys end 4A from now.
//
// # Several SAs
//
// A group has one SA or several (Config.SAs), each with its selectors, suite and lifetime, and one SPI for all selectors or
// one for each. Each of these is a chain of TEKs with a rollover of its own. A message carries the TEKs of all chains: those
// that are being dropped first, then chain after chain in the order of the access list, oldest first. There is one ATD for
// all of them, the longest that any waits for. The configuration is refused if four TEKs of each chain do not fit into one
// datagram, and a change if its keys do not fit beside those that are alive.
//
// # Acknowledgements
//
// Members that sent our vendor id are asked, in the SAK, to acknowledge rekeys (RFC 8263), with the key of their leaf in the
// key tree. The messages of one announcement, each under another KEK, are a campaign: one answer to any of them, or to a
// later campaign, or a registration, ends the repeats to a member. Whoever is silent for 10 s after the last repeat, three
// campaigns in a row, leaves the list and must register again; a campaign that another one has overtaken before it
// ended does not count, nor does one during which another key server of the group was out of reach: whoever is silent here may
// answer there, and must be on the list when both are one again. Members that cannot answer get all repeats and stay. Old, repeated, forged and unasked answers change nothing
// and are counted (gdoi/reasons.go).
//
// A group may have its messages sent to a multicast group, one datagram for all. Then they are repeated until everybody has
// answered, but no longer than A, and nobody is ejected. A member that multicast does not reach registers again as one that
// lost a rekey does. The address belongs to the KEK and comes with it: another transport takes a new KEK, which is announced by
// the old one.
//
// # Another configuration
//
// A running group takes another configuration (Group.Reconfigure). What an SA protects, and with which suite, never changes:
// SAs that are the same in both go on untouched, others are new chains of keys, which everybody has before the new access
// list comes into force after 2A; what they replace drains for 90 s to an hour. The change is announced once more halfway,
// because a list may change without any key that somebody would miss, and who registers meanwhile hears of both policies. A
// configuration that has changed while the key server was down is treated in the same way: the last one is a Record. Group.Plan says beforehand what will happen, in
// the words of an operator, from the same comparison. A group that is removed says so to everybody (Group.Withdraw).
//
// # Durable first
//
// SEQ, SPIs, sender ids, keys and members are Records; whatever depends on one is sent after its Persist. A restarted
// key server goes on with identical keys and the next SEQ, and announces the keys again with its first PUSH, because it
// cannot know how far the last one got. Without its records it starts with fresh keys and numbers; members come back
// before their keys end, or when their data plane sees SPIs that it does not know.
//
// SPIs of TEKs are a walk with a random odd stride from a random start, reserved values left out: no SPI comes twice in
// 2^32 TEKs of a group, and none that another group of the key server has. SPIs of KEKs are random.
//
// Sender ids are handed out one after the other, new ones at every registration, never twice under one key. When they
// are used up, all keys are withdrawn by a DELETE to everybody and counting begins again under new ones (RFC 6407 §3.5).
// So members may hold three quarters of the ids at most, the rest being for their next registrations; newcomers beyond that
// are refused, those who were members before a reset come first after it, and resets keep a distance (senderids.go).
//
// # Removal
//
// Removing members (Group.Remove) puts them on a durable list of peers that are refused until Readmit, and gives everybody
// else keys that the removed cannot have. They hold the KEK, so nothing new may travel under it alone. Members that know our
// extensions got a place in the key tree (package lkh) with their registration, whose root is the KEK:
//
//	T0        a new KEK, by update arrays that only those who stay can open, pushed under the old KEK (all that are in use)
//	T0+d      new TEKs, under the new KEK alone, when everybody was sent the first message once (RFC 6407 §7.4.1)
//	T0+2A     everybody sends with the new TEKs; at T0+4A the old ones end, or at once if so commanded
//
// Both are repeated like any PUSH. A member that missed the first cannot read the second and registers again because
// it sees a KEK that it does not know; one that has the first alone registers again at T0+A. A member without a place in the
// tree is told that its KEK has ended, and registers again while it keeps its TEKs. What is on its way is durable,
// so that a key server that dies between the two goes on. An ordinary rollover of the KEK replaces the root alone, under the
// old KEK as ever; all that is below stays. A new member gets the keys above its leaf, and the KEK, as they are.
//
// # The time of a group
//
// With Config.AntiReplay a group has a pseudotime (pseudotime.go), which every registration and rekey tells: members stamp
// what they send with it, and drop what is further from it than the window. It is off unless configured: windows of
// sequence numbers for each sender keep replays out of every receiver that runs, at no cost on the wire. What the time adds
// is for a receiver that was restarted under a key that lives on, and for senders that name themselves in no packet. Without
// it such a receiver takes what was recorded under the key as new, once, until the key ends; a new key whenever a member
// registers again would close that, but let every site whose power fails rekey everybody. With it, half a second is left.
//
// A PUSH to a group with members of other makes cannot tell the time, so there only registrations do; and what has no
// stamp is judged by its numbers alone. AntiReplay.Demand drops it, for groups without such members: under TEKs that were
// made when every member had the time for 8A, and told with the TEK, so that nobody can hold such a key and not stamp. When
// the window is taken away again, members are told to stamp until the last of these TEKs has ended.
//
// A new window reaches members by a PUSH; it does not set their clocks, since a PUSH may be old, so they register again
// within 4A. The PUSH of a rollover corrects clocks; where rollovers are so rare that two clocks off by 200 ppm could drift
// apart by an eighth of the window, the keys that exist are announced once more in between.
//
// A member leaves the list when an operator clears it, or when it has not registered for a KEK lifetime and a margin
// (Group.memberEnd); members register at least once in a KEK lifetime. One that
// stops in order says so (Group.Leaves) and stays on the list, marked, without getting rekeys, until then or until it
// registers again. One address can have only so many members, and register only so often; of IPv6, a /64 prefix too
// (pacing.go).
//
// # Several key servers
//
// With Config.Coop a group lives at several key servers (package coop says who does what). At one it is active; elsewhere it
// is a copy (Active, TakeOver, StandDown), which has the same keys and members, destroys keys when they end, registers members
// when it is told that it is in step (SetReady), and sends no rekeys. It starts as a copy.
//
//	active   changes n+1, n+2, … ──Since──▶ Apply   copy     each change is the records that one transaction writes
//	         Adopt ◀──Reports── members registered, sender ids given
//
// A rekey is signed at once and leaves when Replicated says that the others have what it depends on, or after A/2. So taking
// over is what a restart from records is: the keys are announced again, and who has not heard of the newest gets time to.
// Times in records are wall times of who wrote them; whoever takes them says how far that clock is ahead of ours. What
// divides sender ids, SPIs and sequence numbers among key servers is in division.go. Members that register with a copy have no
// place in the key tree, which is of the active group alone: they register again when somebody is removed. One that got its
// keys from a copy which did not have the newest is told of those as soon as it is reported.
//
// PUSH messages are signed with the key of whoever sends them. Members know the keys of all key servers (Trust) and take each,
// so that these may change from RSA to ECDSA one after the other.
//
// KEKs that key custodies keep (Config.Custody, custody.go) go from one custody to the others with their records, wrapped
// (moving.go).
//
// # Key custody
//
// With Config.Custody KEKs are in the custody that the process has, an HSM say, and a Group knows their names (custody.go). A
// PUSH is encrypted there, a restarted key server finds the KEK by its name, and a record has no key but only copies that are
// wrapped for the custodies of other key servers. GDOI puts the KEK in clear into a registration and into the PUSH that brings
// a new one, so then the custody tells it: for one step, at the end of which it is wiped. While a message waits for its
// signature the KEK is taken out of it.
//
//	registration   asked, authenticated ── reveal ──▶ Register, message 4, wiped
//	rollover       the spare KEK becomes the newest, the next one is made; PUSH: reveal, sign, reveal, encrypt, sent
//	removal        the spare KEK is revealed, and then all is done in one step as ever
//
// A KEK that members could not be told of yet takes the place of none: rekeys go under its predecessor, which lives on
// (untold.go). When the custody is gone, keys go on until they end, nobody registers, operators are refused, and whatever was
// due comes when it is back, with as much time to hear of it as is left. A KEK that the custody has lost is replaced, and
// members register again, keeping their TEKs.
//
// A Group is not a machine.Machine but a part of one: node.KeyServer calls it. It belongs to one goroutine.
package keyserver
