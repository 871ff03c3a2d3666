package machine

import "io"

// Env is what a machine gets from its surroundings at birth: randomness, and numbers for its requests. All parts
// of one node share one Env, so that an ID names one request of the whole node.
//
// Rand is crypto/rand in a daemon and a seeded stream in the simulator. Trap (Go 1.26): ecdh.GenerateKey,
// rsa.GenerateKey and ecdsa.Sign ignore the reader that they are given; draw octets here and use
// ecdh.Curve.NewPrivateKey.
type Env struct {
	Rand io.Reader
	// Keys is where TEKs are drawn from; nil: Rand. A daemon mixes the generator of a token in. It must not block, nor fail.
	Keys io.Reader
	// Boot names the time line that instants are on. A process that finds a record of the same Boot may compare its instants
	// with its own; if it is empty, instants mean nothing to the next process.
	Boot string

	lastPersist PersistID
	lastOp      OpID
}

// NewEnv returns an Env that draws from rand.
func NewEnv(rand io.Reader) *Env { return &Env{Rand: rand} }

// NextPersist returns a fresh PersistID.
func (e *Env) NextPersist() PersistID { e.lastPersist++; return e.lastPersist }

// NextOp returns a fresh OpID.
func (e *Env) NextOp() OpID { e.lastOp++; return e.lastOp }

// Read fills b with random octets. A machine cannot go on without randomness, and crypto/rand never fails, so an
// error panics.
func (e *Env) Read(b []byte) {
	if _, err := io.ReadFull(e.Rand, b); err != nil {
		panic("machine: no randomness: " + err.Error())
	}
}

// Bytes returns n random octets.
func (e *Env) Bytes(n int) []byte {
	b := make([]byte, n)
	e.Read(b)
	return b
}

// KeyBytes returns n octets for a traffic key, or for a secret that traffic keys are derived from.
func (e *Env) KeyBytes(n int) []byte {
	if e.Keys == nil {
		return e.Bytes(n)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(e.Keys, b); err != nil {
		panic("machine: no randomness for keys: " + err.Error())
	}
	return b
}

// Uint32 returns 32 random bits.
func (e *Env) Uint32() uint32 {
	var b [4]byte
	e.Read(b[:])
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}
