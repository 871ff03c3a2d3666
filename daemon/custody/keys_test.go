package custody

import (
	"testing"

	"github.com/getvpn/getvpn/hsm"
)

func TestSuccessor(t *testing.T) {
	for _, row := range []struct{ base, inUse, want string }{
		{"rekey-blue", "rekey-blue", "rekey-blue.2"},
		{"rekey-blue", "rekey-blue.2", "rekey-blue.3"},
		{"rekey-blue", "rekey-blue.99", "rekey-blue.100"},
		{"a.7", "a.7", "a.7.2"},
		{"pkcs11:token=ks1;object=rekey", "pkcs11:token=ks1;object=rekey", "pkcs11:token=ks1;object=rekey.2"},
		{"pkcs11:object=rekey;id=%01", "pkcs11:object=rekey;id=%01", "pkcs11:object=rekey.2"},
		{"pkcs11:object=rekey;id=%01", "pkcs11:object=rekey.2", "pkcs11:object=rekey.3"},
		{"rekey-blue", "rekey-green", ""},
		{"rekey-blue", "rekey-blue.02", ""},
		{"rekey-blue", "rekey-blue.1", ""},
	} {
		got, err := Successor(row.base, row.inUse)
		if got != row.want || (err == nil) != (row.want != "") {
			t.Errorf("after %s of %s comes %q, %v; want %q", row.inUse, row.base, got, err, row.want)
		}
	}
}

func TestLacks(t *testing.T) {
	there := []hsm.KeyInfo{{Name: "state"}, {Name: "rekey-blue.3"}, {Name: "rekey"}}
	lacks := Lacks([]Key{{Name: "state"}, {Name: "transport"}, {Name: "rekey-blue"}, {Name: "rekey-green"}, {Name: "pkcs11:object=rekey"}}, there)
	if len(lacks) != 2 || lacks[0].Name != "transport" || lacks[1].Name != "rekey-green" {
		t.Errorf("missing are %+v", lacks)
	}
}
