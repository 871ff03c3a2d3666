// Package coop is what key servers that run one group together know of each other: who is there, who is primary, what
// each has of the group's state, and what they say to agree on it. It decides; it holds no keys and opens no socket.
//
//	node.KeyServer ──┬── coop/link.Link    one peer: frames inside phase 1, reliable messages, announcements, clock offset
//	                 ├── coop.Cell         one group: roles, terms, liveness, handover, joins
//	                 └── keyserver.Group   one group: keys, members; active on the primary, standby elsewhere
//
// # Replication
//
// The state of a group is its Records (package keyserver). Only the primary changes them, except that a secondary
// registers members and reports these. Changes are numbered by the primary, and a secondary has everything up to some
// Version: term of the primary and number. What comes after it is a delta; a secondary whose version is of another term
// joins: it hands over all that it has, which the primary merges, and gets all that there is.
//
// Nothing that depends on a change goes to members before every live secondary has the change: a rekey waits, a
// registration waits a little. So a primary that dies takes no key with it that any member has, and taking over is what
// a restart from records is.
//
// # Who is primary
//
// Everybody starts as secondary, announces itself, and asks the others to do so. Whoever hears of a primary follows it,
// whatever the priorities. Where there is none, the first in order makes itself primary, as soon as it has heard of all
// others, or has waited for them as long as a death is waited for: first those whose policy the last primary had and whose
// disk works, of these the ones with the newest state, then by priority, then by address. The others wait, longer the later
// they come, in case that those before them do not. A key server that hears of no primary itself, but of somebody who
// follows a primary waits too: it is the one that is cut off. A term is written before it begins.
//
// A peer that was silent for the dead interval is asked, some times, and then given up; the primary like all others. Two
// primaries that hear of each other: the one of lower priority, or address, stands down and joins. A process that was
// stopped finds its own announcement overdue and stands down before it does anything else; that it is in contact again, and
// does not read what was said while it slept, it knows by a number that others give back (Status.Ask).
//
// An operator moves the primary: when the other one has everything, this one stands down and says so in one message. A key
// server that stops does the same, and one whose disk fails, or whose key custody (custody.go).
//
//	secondary ── no primary, and first in order ─▶ term written ─▶ primary
//	   ▲  ▲                                                         │
//	   │  └── handover, pause, disk or custody fails ───────────────┤
//	   └───── another primary comes first: joins it ────────────────┘
//
// # Messages
//
// A Status is announced, unreliably, at every interval, when it is asked for, and when something of it changes that others
// decide by. It tells the group's pseudotime, too: time windows of members take no two times that are far apart, so a key
// server whose time is not that of the others is noticed (time.go). All else goes reliably and in order (message.go): Key,
// Transport and Policy once to everybody who does not have them, Join and State, Have, Report and Reported for the state,
// Rejoin and Broken when something is amiss, Handover. A message carries its version and its group. Whatever comes from a peer is bounded, checked, and of the present term, or without effect.
//
// # What two sides of a partition cannot do to each other
//
// Each key server has a number, 1 to 8, and with it its own sender ids, its own SPIs of TEKs, and its own windows of rekey
// sequence numbers: whoever takes over goes on in the next window of its own (keyserver/standby.go).
package coop
