package sourcetest

import (
	"time"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/source"
)

// Custody returns the fleet of Coop with custodies: ks1 has a token and rotates its signature key, ks2 has lost its token
// for 42 s, ks3 has files.
func Custody() *source.Fleet {
	f := Coop()
	f.Nodes[0].Snap.Custody = token("ks1")
	lost := token("ks2")
	lost.Ready, lost.Since = false, Now.Add(-42*time.Second)
	lost.Problem = "hsm: the custody does not answer: no token matches pkcs11:token=ks2 in /usr/lib/softhsm/libsofthsm2.so, which has 0: none"
	lost.Degraded = []string{
		"no rekey is signed; traffic, and the keys in force, go on",
		"no member registers here; other key servers take those that ask",
	}
	lost.Signatures[0] = control.CustodySigning{Group: "blue", Key: "rekey-blue"}
	lost.KeysProblem = "inventory: the custody does not answer"
	lost.Queue.Abandoned, lost.Latency[2].Failed, lost.Latency[2].Last = 3, 7, "hsm: the custody does not answer"
	f.Nodes[1].Snap.Custody = lost
	f.Nodes[2].Snap.Custody = &control.Custody{
		Backend: "soft", URI: "pkcs11:token=soft", Model: "files in /var/lib/getvpn/keys", Ready: true, KEKs: control.CustodyProcess, Degraded: []string{},
		Notice: "keys are kept in plain files: this is not custody; whoever reads the state directory can sign rekeys and open the sealed state",
		Queue:  control.CustodyQueue{Calls: 3}, Latency: []control.CustodyLatency{}, Findings: []control.CustodyFinding{},
		Keys:       []control.CustodyKey{{Name: "rekey-blue", URI: "pkcs11:token=soft;object=rekey-blue", Kind: "RSA-2048", Use: "sign"}},
		Signatures: []control.CustodySigning{{Group: "blue", Key: "rekey-blue"}},
	}
	return f
}

// token is a token in good order.
func token(label string) *control.Custody {
	buckets := func(at int, n ...uint64) []uint64 {
		b := make([]uint64, len(control.CustodyBounds)+1)
		copy(b[at:], n)
		return b
	}
	key := func(name, kind, use string, movable bool) control.CustodyKey {
		return control.CustodyKey{Name: name, URI: "pkcs11:token=" + label + ";object=" + name, Kind: kind, Use: use, Movable: movable, Born: !movable}
	}
	return &control.Custody{
		Backend: "pkcs11", URI: "pkcs11:token=" + label + ";serial=8163af81fbc73cf1", Model: "SoftHSM project SoftHSM v2", Firmware: "2.6", Ready: true,
		KEKs: control.CustodyToken, Degraded: []string{},
		Queue: control.CustodyQueue{Sessions: 4, Limit: 64, Busy: 1, Calls: 1893, Reopened: 1},
		Latency: []control.CustodyLatency{
			{Operation: "encrypt", Count: 214, Mean: 0.6, Max: 4.1, P50: 1, P99: 2, Buckets: buckets(0, 190, 20, 4)},
			{Operation: "make", Count: 12, Mean: 210, Max: 1460, P50: 200, P99: 1460, Buckets: buckets(3, 6, 0, 0, 1, 2, 2, 0, 1)},
			{Operation: "sign", Count: 1204, Mean: 2.4, Max: 61, P50: 5, P99: 20, Buckets: buckets(0, 10, 400, 760, 20, 10, 0, 4)},
			{Operation: "wrap", Count: 463, Mean: 1.1, Max: 9.8, P50: 2, P99: 9.8, Buckets: buckets(0, 200, 240, 20, 3)},
		},
		Findings: []control.CustodyFinding{
			{Mechanism: "CKM_RSA_PKCS", Verdict: "unproven", Detail: "not proven yet: every key signs once before it is used"},
			{Mechanism: "CKM_ECDSA", Verdict: "works"}, {Mechanism: "CKM_AES_CBC", Verdict: "works"}, {Mechanism: "CKM_AES_GCM", Verdict: "works"},
			{Mechanism: "CKM_RSA_PKCS_OAEP SHA-256", Verdict: "missing", Detail: "C_WrapKey: pkcs11: 0x7: CKR_ARGUMENTS_BAD"},
			{Mechanism: "CKM_RSA_PKCS_OAEP SHA-1", Verdict: "works"}, {Mechanism: "C_GenerateRandom", Verdict: "works"},
			{Mechanism: "CKM_AES_KEY_WRAP_PAD (0x210A)", Verdict: "wrong", Detail: "a key of 20 octets is not wrapped as RFC 5649 says: others cannot unwrap it to what it was"},
		},
		Keys: []control.CustodyKey{
			key("kek-00112233445566778899aabbccddeeff", "AES-256", "encrypt", true), key("kek-ffeeddccbbaa99887766554433221100", "AES-256", "encrypt", true),
			key("rekey-blue", "RSA-2048", "sign", false), key("rekey-blue.2", "RSA-2048", "sign", false), key("state", "AES-256", "seal", false),
			key("transport", "RSA-3072", "transport", false),
		},
		KeysAt:     Now.Add(-20 * time.Second),
		Signatures: []control.CustodySigning{{Group: "blue", Key: "rekey-blue.2", Retiring: []string{"rekey-blue"}}},
	}
}
