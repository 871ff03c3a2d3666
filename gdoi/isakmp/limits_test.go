package isakmp

import (
	"bytes"
	"errors"
	"testing"
)

// spy shows whether what AppendBody wrote was wiped.
type spy struct{ wrote *[]byte }

func (spy) Type() PayloadType { return PayloadKD }

func (s spy) AppendBody(b []byte) []byte {
	b = append(b, "key material"...)
	*s.wrote = b
	return b
}

func TestCheckSizeWipes(t *testing.T) {
	var wrote []byte
	if err := CheckSize(spy{&wrote}, spy{&wrote}); err != nil {
		t.Fatal(err)
	}
	if bytes.ContainsAny(wrote, "key") {
		t.Errorf("left %q behind", wrote)
	}
}

func second[T any](_ T, err error) error { return err }

func TestLimits(t *testing.T) {
	sak := SAK{Protocol: 17, Src: TrafficID{IDType: IDIPv4Addr, Data: make([]byte, 4)}, Dst: TrafficID{IDType: IDIPv4Addr, Data: make([]byte, 4)}}
	twice := append(put16(put32(put32(nil, DOIGDOI), 0), int(PayloadSAK)), 0, 0)
	packets := append(put16(nil, MaxKeyPackets+1), 0, 0)
	for range MaxKeyPackets + 1 {
		packets = append(packets, 4, 0, 0, 5, 0)
	}
	del := append(put32(nil, DOIGDOI), 1, 4, 0, 1, 1, 2, 3, 4)
	for _, c := range []struct {
		name string
		err  error
	}{
		{"two SAKs", second(ParseSAGDOI(AppendChain(twice, sak, sak)))},
		{"too many key packets", second(ParseKD(packets))},
		{"DELETE with octets left", second(ParseDelete(append(del, 0)))},
		{"long identity", second(ParseID(append([]byte{2, 0, 0, 0}, make([]byte, maxIDDataSize+1)...)))},
	} {
		if !errors.Is(c.err, ErrMalformed) {
			t.Errorf("%s: %v", c.name, c.err)
		}
	}
	if _, err := ParseSAGDOI(AppendChain(twice, sak)); err != nil {
		t.Errorf("one SAK: %v", err)
	}
	if _, err := ParseDelete(del); err != nil {
		t.Errorf("DELETE: %v", err)
	}
}
