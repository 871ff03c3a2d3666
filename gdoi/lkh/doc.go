// Package lkh is the logical key hierarchy of RFC 2627 §5.4 in the form of RFC 6407 §5.6.3, both sides: a key server
// excludes members from a group with O(log n) encryptions and one message to all the others.
//
// # The tree
//
// Every member has a slot, a number from 0. Nodes are named by height over the leaves and position, so that the leaf of
// slot s is (0, s) and its ancestors (1, s/2), (2, s/4) and so on, while the position is more than 1:
//
//	                 root = KEK
//	   ┌──────┬────────┴───────┐
//	 (0,0)  (0,1)            (1,1)                  (2,1)       subtrees for 1, 1, 2, 4, 8 ... members
//	   │      │          ┌─────┴─────┐          ┌─────┴─────┐
//	slot 0  slot 1     (0,2)       (0,3)      (1,2)       (1,3)
//
// A group grows by another subtree under the root, as large as all before together. So no member's path ever changes by
// growth, and it has at most log2(n)+1 keys below the root. Nodes exist only where there is a member below. The key of
// the root is the group's KEK itself; it is made by the owner of the Tree, which may also replace it by other means:
// nothing below depends on it.
//
// # Exclusion
//
// Tree.Remove gives new keys to all ancestors of the leaves that go, once each however many go, and to the root. Each new
// key is encrypted under the key of each child that is left: of the parent of a leaf that goes that is one, of a node above
// two, of the root one for each subtree. So for one of n = 2^k members it takes at most 2(k-1)-1 + k+1 = 3k-2 encryptions.
// The members that go know none of the keys that encrypt: of what is under their leaves nothing is left, and all above has
// changed.
//
// Change.Arrays writes them as update arrays. By the RFC each array begins with a key that has not changed and goes on
// to the KEK, so that arrays share their upper ends (the octets are the same, nothing is encrypted twice). Where that is
// too much for a datagram, each key is written once, and arrays continue in each other. A Path, the member's side, reads
// both: to it an array is a list of keys each of which is encrypted under the one before it.
//
// A slot that somebody leaves without being excluded is free at once. What that member knew above its leaf is remembered
// as stale and replaced with one of the next removals, so that members who come and go cost nothing by themselves.
//
// # Form of a key
//
// Key data are "IV | key". The RFC does not say which IV encrypts an entry: it is the one stored with the key that
// encrypts. The first block of what is encrypted is an IV, random and never repeated, so that nothing shows.
// LKH IDs have 16 bits, and so can name only 2^11 nodes of each height; in larger trees several nodes share one, but never
// two of one path, and the key handle, a counter over the whole tree, tells them apart.
//
// # Outside
//
// Where several key servers run a group, the tree is that of one of them. Who registers with another gets a leaf of its own right under
// the KEK (Loose), by which it can prove that it has a message, and which no exclusion reaches.
//
// # Joining
//
// A new member gets the keys above its leaf as they are, as the KEK itself in a GROUPKEY-PULL. With them it could open
// update arrays of the past, but those are inside messages under KEKs that it never had.
package lkh
