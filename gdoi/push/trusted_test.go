package push

import (
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"sync"
	"testing"

	"github.com/getvpn/getvpn/gdoi/suite"
)

// otherKey signs for another key server of the group.
var otherKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 3072)
	if err != nil {
		panic(err)
	}
	return k
})

// TestTrustedSigner: a message under the same KEK, signed by another key server, and only if its key is trusted. The key is
// of another size than that of the KEK.
func TestTrustedSigner(t *testing.T) {
	mine, theirs := testKey(t), testKey(t)
	theirs.Public = signatureKey(t, otherKey())
	write := func(k *Key, signer *rsa.PrivateKey, seq uint32) []byte {
		return write(t, k, &Message{Seq: seq, Offer: tekOffer(t), SendAccessList: true}, signer)
	}
	r := NewReceiver(mine, 0)
	b := write(theirs, otherKey(), 1<<16+1)
	if _, err := r.Open(b); !errors.Is(err, ErrSignature) || r.Last() != 0 {
		t.Fatalf("a stranger's: %v, sequence number %d", err, r.Last())
	}
	mine.Trusted = []*suite.SignatureKey{signatureKey(t, otherKey())}
	m, err := r.Open(b)
	if err != nil || !m.Signer.Equal(signatureKey(t, otherKey())) || r.Last() != 1<<16+1 {
		t.Fatalf("%+v, %v, sequence number %d", m, err, r.Last())
	}
	if _, err := r.Open(b); !errors.Is(err, ErrDuplicate) {
		t.Errorf("repeated: %v", err)
	}
	// One sequence for all signers: what the old primary wrote before is old.
	if _, err := r.Open(write(mine, signKey(t), 7)); !errors.Is(err, ErrReplay) {
		t.Errorf("an older number by another signer: %v", err)
	}
	if m, err = r.Open(write(mine, signKey(t), 2<<16)); err != nil || !m.Signer.Equal(mine.Public) {
		t.Errorf("%+v, %v", m, err)
	}
	mine.Trusted = nil
	if _, err := r.Open(write(theirs, otherKey(), 3<<16)); !errors.Is(err, ErrSignature) {
		t.Errorf("trusted no more: %v", err)
	}
}
