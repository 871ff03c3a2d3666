package isakmp

// LKHVersion is the only version of the LKH arrays, RFC 6407 §5.6.3.1.
const LKHVersion = 1

// MaxLKHKeys limits the keys of one array. Ours: a path in a tree of 2^62 members.
const MaxLKHKeys = 64

const (
	lkhHeaderLen = 4
	lkhKeyLen    = 16 // without its data
)

// LKHKey is the key of one node of the tree, RFC 6407 §5.6.3.1:
//
//	+-------------------------------+---------------+---------------+
//	|             LKH ID            |    Key Type   |    RESERVED   |
//	+-------------------------------+---------------+---------------+
//	|                       Key Creation Date                       |
//	+---------------------------------------------------------------+
//	|                      Key Expiration Date                      |
//	+---------------------------------------------------------------+
//	|                           Key Handle                          |
//	+---------------------------------------------------------------+
//	~                            Key Data                           ~
//	+---------------------------------------------------------------+
type LKHKey struct {
	ID uint16
	// KeyType is a value of KEK_ALGORITHM; the RFC cites the wrong section for it.
	KeyType uint8
	// Created and Expires are seconds since 1970; 0 stands for always.
	Created, Expires uint32
	// Handle tells the successive keys of one node apart.
	Handle uint32
	// Data is the IV and then the key; in an update array, encrypted.
	Data []byte
}

// LKHDownload is LKH_DOWNLOAD_ARRAY, RFC 6407 §5.6.3.1: the keys of one member, from its leaf to the group's KEK. The
// keys carry no length of their own, so all of an array have data of the same length.
//
//	+---------------+-------------------------------+---------------+
//	|  LKH Version  |          # of LKH Keys        |    RESERVED   |
//	+---------------+-------------------------------+---------------+
//	~                            LKH Keys                           ~
//	+---------------------------------------------------------------+
type LKHDownload struct{ Keys []LKHKey }

// LKHUpdate is LKH_UPDATE_ARRAY, RFC 6407 §5.6.3.2: new keys from one node's parent upwards. The first is encrypted under
// the key that ID and Handle name, each other under the one before it.
//
//	+---------------+-------------------------------+---------------+
//	|  LKH Version  |          # of LKH Keys        |    RESERVED   |
//	+---------------+---------------+---------------+---------------+
//	|             LKH ID            |           RESERVED2           |
//	+-------------------------------+-------------------------------+
//	|                           Key Handle                          |
//	+---------------------------------------------------------------+
//	~                            LKH Keys                           ~
//	+---------------------------------------------------------------+
type LKHUpdate struct {
	ID     uint16
	Handle uint32
	Keys   []LKHKey
}

// ParseLKHDownload reads the value of an LKH_DOWNLOAD_ARRAY; key data alias it.
func ParseLKHDownload(b []byte) (LKHDownload, error) {
	c := read("LKH_DOWNLOAD_ARRAY", b)
	n := c.lkhHeader()
	p := LKHDownload{c.lkhKeys(n)}
	return p, c.done()
}

// ParseLKHUpdate reads the value of an LKH_UPDATE_ARRAY; key data alias it.
func ParseLKHUpdate(b []byte) (LKHUpdate, error) {
	c := read("LKH_UPDATE_ARRAY", b)
	n := c.lkhHeader()
	p := LKHUpdate{ID: c.u16("LKH ID")}
	c.zero(2)
	p.Handle = c.u32("key handle")
	p.Keys = c.lkhKeys(n)
	return p, c.done()
}

// lkhHeader reads what both arrays begin with, and returns the number of keys.
func (c *cursor) lkhHeader() int {
	if v := c.u8("LKH version"); c.err == nil && v != LKHVersion {
		c.fail("LKH version %d, must be %d", v, LKHVersion)
	}
	n := int(c.u16("number of LKH keys"))
	c.zero(1)
	if c.err == nil && (n == 0 || n > MaxLKHKeys) {
		c.fail("%d LKH keys, must be 1 to %d", n, MaxLKHKeys)
	}
	return n
}

// lkhKeys reads n keys that fill the rest.
func (c *cursor) lkhKeys(n int) []LKHKey {
	if c.err != nil {
		return nil
	}
	size := len(c.b) / n
	if size*n != len(c.b) || size <= lkhKeyLen {
		c.fail("%d LKH keys in %d octets", n, len(c.b))
		return nil
	}
	keys := make([]LKHKey, 0, n)
	for range n {
		k := LKHKey{ID: c.u16("LKH ID"), KeyType: c.u8("key type")}
		c.zero(1)
		k.Created, k.Expires, k.Handle = c.u32("creation date"), c.u32("expiration date"), c.u32("key handle")
		k.Data = c.take(size-lkhKeyLen, "key data")
		keys = append(keys, k)
	}
	return keys
}

// AppendTo appends the value of the attribute. All keys must have data of the same length.
func (p LKHDownload) AppendTo(b []byte) []byte {
	b = append(put16(append(b, LKHVersion), len(p.Keys)), 0)
	return appendLKHKeys(b, p.Keys)
}

// AppendTo appends the value of the attribute. All keys must have data of the same length.
func (p LKHUpdate) AppendTo(b []byte) []byte {
	b = append(put16(append(b, LKHVersion), len(p.Keys)), 0)
	b = append(put16(b, int(p.ID)), 0, 0)
	return appendLKHKeys(put32(b, p.Handle), p.Keys)
}

// Len is the number of octets that AppendTo appends.
func (p LKHDownload) Len() int { return lkhHeaderLen + lkhKeysLen(p.Keys) }

// Len is the number of octets that AppendTo appends.
func (p LKHUpdate) Len() int { return lkhHeaderLen + 8 + lkhKeysLen(p.Keys) }

func lkhKeysLen(keys []LKHKey) (n int) {
	for _, k := range keys {
		n += lkhKeyLen + len(k.Data)
	}
	return n
}

func appendLKHKeys(b []byte, keys []LKHKey) []byte {
	for _, k := range keys {
		b = append(put16(b, int(k.ID)), k.KeyType, 0)
		b = put32(put32(put32(b, k.Created), k.Expires), k.Handle)
		b = append(b, k.Data...)
	}
	return b
}
