package pull

// rememberedIDs bounds the memory of one phase-1 session. Forgetting an id is harmless: a replayed message 1 gets a
// fresh Nr, which no old message 3 can answer.
const rememberedIDs = 64

// MessageIDs remembers the message ids that PULLs of one phase-1 session have used, RFC 6407 §7.2.5. The zero value
// is empty.
type MessageIDs struct {
	ring [rememberedIDs]uint32
	next int
}

// Add remembers id; false says that it was known, or can be none.
func (m *MessageIDs) Add(id uint32) bool {
	if id == 0 {
		return false
	}
	for _, known := range m.ring {
		if known == id {
			return false
		}
	}
	m.ring[m.next] = id
	m.next = (m.next + 1) % rememberedIDs
	return true
}
