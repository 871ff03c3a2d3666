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
// # What two sides of a partition cannot do to each other
//
// Each key server has a number, 1 to 8, and with it its own sender ids, its own SPIs of TEKs, and its own windows of rekey
// sequence numbers: whoever takes over goes on in the next window of its own (keyserver/standby.go).
package coop
