package classic

import (
	"regexp"
	"strings"
	"testing"
)

const (
	ip     = `\d+\.\d+\.\d+\.\d+`
	number = `\d+`
	hex32  = `0x[0-9A-F]{32}`
)

// labels are lines that scripts read, by command: each must be printed by one of the devices, as the whole of a line.
var labels = map[string][]string{
	"": {
		`Group Name +: \w+`, `Group Identity +: \d+`, `Group Type +: GDOI \(ISAKMP\)`, `Crypto Path +: ipv4`, `Key Management Path +: ipv4`, `Rekeys received +: \d+`,
		`IPSec SA Direction +: Both`, `Group Server list +: ` + ip, `Group Member Information For Group \w+:`, `ACL Received From KS +: \w+`, `Total received +: \d+`,
		`After latest register +: \d+`, `Rekey Acks sents +: \d+`, `ACL Downloaded From KS ` + ip + `:`, `access-list +permit ip 10\.0\.0\.0 0\.255\.255\.255 .*`,
		`Rekey Transport Type +: Unicast`, `Lifetime \(secs\) +: \d+`, `Encrypt Algorithm +: AES`, `Key Size +: (128|256)`, `Sig Hash Algorithm +: HMAC_AUTH_SHA256`,
		`Sig Key Length \(bits\) +: 2352`, `TEK POLICY for the current KS-Policy ACEs Downloaded:`, `wan0:`, `IPsec SA:`, `spi: 0x[0-9A-F]{8}\(\d+\)`,
		`transform: esp-gcm 256`, `transform: esp-256-aes esp-sha256-hmac`, `sa timing:remaining key lifetime \(sec\): \(\d+\)`, `Anti-Replay\(Counter Based\) : \d+`,
		`Anti-Replay\(Time Based\) : \d+ sec interval`, `tag method : disabled`, `alg key size: 32 \(bytes\)`, `sig key size: 32 \(bytes\)`, `encaps: ENCAPS_TUNNEL`,
		`KGS POLICY:`, `P2P POLICY:`, `REG_GM: local_addr ` + ip, `Group Rekey Lifetime +: \d+ secs`, `Remaining Lifetime +: \d+ secs`, `Rekey Retransmit Period +: \d+ secs`,
		`Rekey Retransmit Attempts: \d+`, `IPSec SA Rekey Lifetime: \d+ secs`, `Replay method +: (Time|Count) Based`, `ACL Configured +: access-list \w+`, `Group Server list +: Local`,
	},
	"gm": {
		`Group member +: ` + ip + ` +vrf: None`, `Local addr/port +: ` + ip + `/\d+`, `Remote addr/port +: ` + ip + `/\d+`, `fvrf/ivrf +: None/None`, `Version +: [\d.]+`,
		`Registration status +: Registered`, `Registered with +: ` + ip, `Re-registers in +: \d+ sec`, `Succeeded registration: \d+`, `Attempted registration: \d+`,
		`Last rekey from +: ` + ip, `Last rekey seq num +: \d+`, `Unicast rekey received: \d+`, `Rekey ACKs sent +: \d+`, `Rekey Rcvd\(hh:mm:ss\) +: \d\d:\d\d:\d\d`,
		`PFS Rekey received +: 0`, `DP Error Monitoring +: OFF`, `IPSEC init reg executed +: 0`, `IPSEC init reg postponed +: 0`, `Active TEK Number +: \d+`,
		`SA Track \(OID/status\) : disabled`, `Fail-Close Revert : Enabled`,
	},
	"gm rekey detail": {
		`Group \w+ \(Unicast\)`, `Number of Rekeys received \(cumulative\) +: \d+`, `Number of Rekeys received after registration +: \d+`, `Number of Rekey Acks sent +: \d+`,
		`dst +src +conn-id +my-cookie +his-cookie`, `New +: --- +--- +--- +--- +---`, `Current : ` + ip + ` +` + ip + ` +--- +[0-9A-F]{8} +[0-9A-F]{8}`, `Previous: --- .*`,
	},
	"gm replay": {
		`Anti-replay Information For Group \w+:`, `Timebased Replay:`, `is not enabled`, `Replay Value : \d+\.\d\d secs`, `Input Packets : \d+ +Output Packets : \d+`,
		`Input Error Packets : \d+ +Output Error Packets : \d+`, `Time Sync Error : \d+ +Max time delta : \d+\.\d\d secs`, `TBAR Error History \(sampled at 10pak/min\):`, `No TBAR errors detected`,
	},
	"gm dataplane counters": {
		`Data-plane statistics for group \w+:`, `#pkts encrypt +: \d+ +#pkts decrypt +: \d+`, `#pkts tagged \(send\) +: 0 +#pkts untagged \(rcv\) +: 0`,
		`#pkts no sa \(send\) +: \d+ +#pkts invalid sa \(rcv\) +: \d+`, `#pkts encaps fail \(send\) : \d+ +#pkts decap fail \(rcv\) +: \d+`,
		`#pkts invalid prot \(rcv\) : \d+ +#pkts verify fail \(rcv\) +: \d+`, `#pkts internal err \(send\): \d+ +#pkts internal err \(rcv\) : \d+`,
	},
	"gm acl":               {`Group Name: \w+`, `ACL Downloaded From KS ` + ip + `:`, `ACL Configured Locally:`, `access-list   deny tcp any any port = 22`},
	"gm identifier detail": {`Transform Mode +: Counter \(Suite-B\)`, `Transform Mode +: Non-Counter \(Non-Suite-B\)`, `# of SIDs Last Requested +: \d+`, `CURRENT SIDs: 0x[0-9A-F]{6}`, `TEK Lifetime +: \d+ sec`, `SID Length \(Group Size\) +: 24 bits \(MEDIUM\)`},
	"gm pubkey":            {`GDOI Group: \w+`, `KS IP Address: ` + ip, `conn-id: \d+ +my-cookie:[0-9A-F]{8} +his-cookie:[0-9A-F]{8}`, `Key Data:`, `30820122 300D0609 [0-9A-F ]+`},
	"rekey sa":             {`dst +src +conn-id +status`, ip + ` +` + ip + ` +\d+ +ACTIVE`},
	"ks detail": {
		`Total group members registered to this box: \d+`, `Key Server Information For Group \w+:`, `Re-auth on new CRL +: Disabled`, `Group Members +: \d+`,
		`Rekey Acknowledgement Cfg: Interoperable`, `IP D3P Window +: Disabled`, `Split Resiliency Factor +: 0`, `CKM status +: Disabled`, `ACL Configured:`, `access-list \w+`,
		`Redundancy +: Configured`, `Local Address +: ` + ip, `Local Priority +: \d+`, `Local KS Status +: Alive`, `Local KS Role +: (Primary|Secondary)`, `Local KS Version +: \S+`, `Local COOP Version +: 1\.0\.0`,
	},
	"ks members": {
		`Number of rekeys sent for group \w+ : \d+`, `Number of retransmits during the last rekey for group \w+ : \d+`, `Duration of the last rekey for group \w+ : \d+ msec`,
		`Group Member ID +: ` + ip + ` +GM Version: [\d.]+`, `Group ID +: \d+`, `GM State +: Registered`, `Key Server ID +: ` + ip, `Rekeys sent +: \d+`, `Rekeys retries +: \d+`,
		`Rekey Acks Rcvd +: \d+`, `Rekey Acks missed : \d+`, `Sent seq num : \d+ +\d+ +\d+ +\d+`, `Rcvd seq num : \d+ +\d+ +\d+ +\d+`,
	},
	"ks members summary": {`Group Name: \w+, ID: \d+, Group Members: \d+`, `Key Server ID: ` + ip + `, GMDB state: LOCAL, Group Members: \d+`, `Key Server ID: ` + ip + `, GMDB state: REDUNDANT, Group Members: \d+`, ip + ` +[\d.]+ +\d+ +\d+`},
	"ks policy": {
		`For group \w+ \(handle: \d+\) server ` + ip + ` \(handle: \d+\):`, `# of teks : \d+  Seq num : \d+`, `KEK POLICY \(transport type : Unicast\)`, `spi : ` + hex32,
		`management alg +: disabled +encrypt alg +: AES`, `crypto iv length +: 16 +key size +: \d+`, `orig life\(sec\) +: \d+ +remaining life\(sec\) +: \d+`, `time to rekey \(sec\): \d+`,
		`sig hash algorithm : enabled +sig key length +: 294`, `sig size +: 256`, `sig key name +: rekey_blue`, `acknowledgement +: Interoperable`, `TEK POLICY \(encaps : ENCAPS_TUNNEL\)`,
		`spi +: 0x[0-9A-F]{8}`, `access-list +: \w+`, `alg key size +: \d+ +sig key size +: \d+`, `tek life\(sec\) +: \d+ +elapsed time\(sec\) +: \d+`,
		`override life\(sec\) : 0 +antireplay window size: \d+`, `time to rekey \(sec\): n/a`,
	},
	"ks coop detail": {
		`Crypto Gdoi Group Name :\w+`, `Group handle: \d+, Local Key Server handle: \d+`, `\*NO\* redundancy configured for this group`, `Local Address: ` + ip, `Local Priority: \d+`,
		`Local KS Role: Primary   , Local KS Status: Alive`, `Local KS Role: Secondary , Local KS Status: Alive`, `Primary Refresh Policy Time: \d+`, `Remaining Time: \d+`,
		`Sec Primary Periodic Time: \d+`, `Remaining Time: \d+, Retries: \d+`, `Invalid ANN PST recvd: 0`, `New GM Temporary Blocking Enforced\?: No`, `Antireplay Sequence Number: \d+`,
		`Session 1:`, `Session 2:`, `Server handle: \d`, `Peer Address: ` + ip, `Peer KS Role: Primary   , Peer KS Status: Alive`, `IKE status: Established`, `Ann msgs sent: \d+`,
		`Ann msgs sent with reply request: \d+`, `Ann msgs recv: \d+`, `Ann msgs recv with reply request: \d+`, `Packet Recv drops: \d+`, `Total bytes sent: \d+`, `Total bytes recv: \d+`,
	},
	"ks coop version":      {`Cooperative key server infra Version : 1\.0\.0`, `Client : KS_POLICY_CLIENT +Version : 1\.0\.0`, `Client : GROUP_MEMBER_CLIENT +Version : 1\.0\.0`, `Client : SID_CLIENT +Version : 1\.0\.0`},
	"ks acl":               {`Group Name: \w+`, `Configured ACL:`, `access-list blue  deny icmp any any`},
	"ks identifier detail": {`KS Sender ID \(KSSID\) Information for Group \w+:`, `Current KSSID In-Use +: (none|\d)`, `Last GMSID Used +: (none|\d+)`, `KSSID\(s\) Assigned +: \S+`, `KSSID\(s\) Used +: \S+`, `KSSID\(s\) Used \(Old\) +: none`, `Available KSSID\(s\) +: \S+`, `REMAINING SIDs: (none|\d+)`},
}

// TestLabels: each field is there, under its label.
func TestLabels(t *testing.T) {
	for words, patterns := range labels {
		q, err := Parse(strings.Fields("gdoi " + words))
		if err != nil {
			t.Error(err)
			continue
		}
		var lines []string
		for _, name := range recorded {
			if a := q.Answer(snapshot(t, name)); a != nil {
				for _, l := range strings.Split(Text(a), "\n") {
					lines = append(lines, strings.TrimSpace(l))
				}
			}
		}
		for _, p := range patterns {
			re, found := regexp.MustCompile("^(?:"+p+")$"), false
			for _, l := range lines {
				found = found || re.MatchString(l)
			}
			if !found {
				t.Errorf("show gdoi %s: no line like %q", words, p)
			}
		}
	}
}
