package gm

import (
	"testing"

	"github.com/getvpn/getvpn/esp"
	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// TestSuitesOfBothSides: what can be negotiated can be carried out, and with the same lengths.
func TestSuitesOfBothSides(t *testing.T) {
	all := suite.AllESP()
	if len(all) != len(esp.Suites()) {
		t.Errorf("%d suites in gdoi, %d in esp", len(all), len(esp.Suites()))
	}
	for _, e := range all {
		s, err := espSuite(e)
		if err != nil || s.String() != e.String() || s.KeyMatLen() != e.KeymatLen() || s.Counter() != e.Counter() {
			t.Errorf("%v: %v, %v", e, s, err)
		}
	}
	if _, err := espSuite(0); err == nil {
		t.Error("suite 0")
	}
}

func TestSenderIDs(t *testing.T) {
	install := func(e suite.ESP, sids ...gdoi.SID) (uint8, []uint32) {
		return senderIDs(gdoi.InstallSA{TEK: gdoi.TEK{Suite: e}, SIDBits: 24, SIDs: sids})
	}
	if bits, sids := install(suite.ESPAES128CBCSHA256, 7, 8); bits != 24 || len(sids) != 2 || sids[1] != 8 {
		t.Error("those of the key server", bits, sids)
	}
	if bits, sids := install(suite.ESPAES128GCM16); bits != 24 || len(sids) != 0 {
		t.Error("a counter mode never draws one", bits, sids)
	}
	_, first := install(suite.ESPNullSHA256)
	bits, second := install(suite.ESPNullSHA256)
	if bits != 32 || len(first) != 1 || len(second) != 1 || first[0] == second[0] || first[0]>>31 != 1 {
		t.Error("drawn", bits, first, second)
	}
}
