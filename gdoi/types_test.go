package gdoi

import "testing"

func TestGroupIDPrints(t *testing.T) {
	for _, c := range []struct {
		id   GroupID
		want string
	}{
		{GroupIDFromUint32(1234), "1234"},
		{GroupIDFromUint32(0xffffffff), "4294967295"},
		{"finance", "finance"},
		{"\x01\x02\x03", "0x010203"},
		{"a b", "0x612062"},
		{"", ""},
	} {
		if got := c.id.String(); got != c.want {
			t.Errorf("%x prints %q; want %q", string(c.id), got, c.want)
		}
	}
}
