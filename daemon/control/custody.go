package control

import "time"

// Where KEKs live.
const (
	CustodyToken   = "token"   // and nowhere else
	CustodyProcess = "process" // in memory, and sealed in the records
)

// Custody is whoever keeps a daemon's keys, as its operators may see it: names and states, never material.
type Custody struct {
	Backend  string `json:"backend"` // "soft": files, which is no custody; "pkcs11": a token
	URI      string `json:"uri"`     // of the token, by label and serial
	Model    string `json:"model,omitempty"`
	Firmware string `json:"firmware,omitempty"`
	Ready    bool   `json:"ready"`
	Problem  string `json:"problem,omitempty"` // why it is not
	Notice   string `json:"notice,omitempty"`  // what an operator must know at every start
	// Since is when it was lost, or found again; zero: neither has happened since the start.
	Since time.Time `json:"since,omitzero"`
	// KEKs says where the KEKs of a key server live: CustodyToken or CustodyProcess; empty on a group member.
	KEKs string `json:"keks,omitempty"`
	// Degraded says what the daemon cannot do at the moment, and why; none: all is well.
	Degraded []string `json:"degraded"`

	Queue    CustodyQueue     `json:"queue"`
	Latency  []CustodyLatency `json:"latency"` // by operation, sorted
	Findings []CustodyFinding `json:"findings"`
	Keys     []CustodyKey     `json:"keys"` // by name
	// KeysAt is when Keys was read; KeysProblem says why it could not be read anew.
	KeysAt      time.Time        `json:"keys_at,omitzero"`
	KeysProblem string           `json:"keys_problem,omitempty"`
	Signatures  []CustodySigning `json:"signatures,omitempty"` // key server only: of each group
}

// CustodyQueue is the traffic to a custody. Counters begin when it is opened.
type CustodyQueue struct {
	Sessions  int    `json:"sessions"` // calls at the same time; 0: without limit
	Limit     int    `json:"limit"`    // callers that may wait
	Busy      int    `json:"busy"`
	Waiting   int    `json:"waiting"`
	Calls     uint64 `json:"calls"`
	Refused   uint64 `json:"refused"`   // the queue was full
	Abandoned uint64 `json:"abandoned"` // the caller's time was up
	Reopened  uint64 `json:"reopened"`  // logins after the first
}

// CustodyBounds are the upper ends of the buckets of CustodyLatency, in milliseconds; the last bucket has none.
var CustodyBounds = [...]float64{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000}

// CustodyLatency is how long calls of one operation took, waiting for a session included. Milliseconds.
type CustodyLatency struct {
	Operation string  `json:"operation"` // sign, encrypt, wrap, unwrap, make, destroy, seal, open, random, public, list
	Count     uint64  `json:"count"`     // calls that succeeded; the figures are of those
	Failed    uint64  `json:"failed"`
	Mean      float64 `json:"mean_ms"`
	Max       float64 `json:"max_ms"`
	P50       float64 `json:"p50_ms"` // the upper end of the bucket; Max where there is none
	P99       float64 `json:"p99_ms"`
	// Buckets count calls by CustodyBounds.
	Buckets []uint64 `json:"buckets"`
	// Last is the text of the last failure, LastAt its time.
	Last   string    `json:"last_failure,omitempty"`
	LastAt time.Time `json:"last_failure_at,omitzero"`
}

// CustodyFinding is what the probe made of one mechanism.
type CustodyFinding struct {
	Mechanism string `json:"mechanism"`
	Verdict   string `json:"verdict"` // works, missing, wrong, unproven
	Detail    string `json:"detail,omitempty"`
}

// CustodyKey is one key by its name.
type CustodyKey struct {
	Name string `json:"name"`
	URI  string `json:"uri"`
	Kind string `json:"kind"` // "RSA-2048", "AES-256"
	Use  string `json:"use"`  // sign, transport, encrypt or seal
	// Movable keys may be wrapped for another custody. Born keys were made where they are, and have never been able to
	// leave.
	Movable bool   `json:"movable"`
	Born    bool   `json:"born"`
	Problem string `json:"problem,omitempty"` // why it cannot be used
}

// CustodySigning is the signature key of a group on this key server.
type CustodySigning struct {
	Group string `json:"group"`
	Key   string `json:"key"` // its name in the custody
	// Next waits until the members of the group trust it.
	Next string `json:"next,omitempty"`
	// Retiring are keys that were rotated out; each is destroyed when the last KEK that is signed by it has ended.
	Retiring []string `json:"retiring,omitempty"`
}

// RotateRequest asks a key server for a new signature key of a group.
type RotateRequest struct {
	Group string `json:"group"`
}
