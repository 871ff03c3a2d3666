package hsm

import "context"

// Informer tells what a custody is and how it does. Neither call ever returns material.
type Informer interface {
	// Info does not wait for the token: it says what is known.
	Info() Info
	// Inventory lists the keys, by name.
	Inventory(ctx context.Context) ([]KeyInfo, error)
}

// Info is a custody as the console shows it.
type Info struct {
	Backend  string    `json:"backend"` // "soft", "pkcs11"
	URI      string    `json:"uri"`     // of the token, by label and serial
	Model    string    `json:"model,omitempty"`
	Firmware string    `json:"firmware,omitempty"`
	Ready    bool      `json:"ready"`
	Problem  string    `json:"problem,omitempty"` // why it is not
	Notice   string    `json:"notice,omitempty"`  // what an operator must know at every start
	Queue    Queue     `json:"queue"`
	Findings []Finding `json:"findings,omitempty"` // of the probe
}

// Queue is the traffic to a token. Counters begin when the custody is opened.
type Queue struct {
	Sessions  int    `json:"sessions"` // calls at the same time
	Limit     int    `json:"limit"`    // callers that may wait
	Busy      int    `json:"busy"`
	Waiting   int    `json:"waiting"`
	Calls     uint64 `json:"calls"`
	Refused   uint64 `json:"refused"`   // the queue was full
	Abandoned uint64 `json:"abandoned"` // the caller's time was up, while waiting or before the token answered
	Reopened  uint64 `json:"reopened"`  // logins after the first
}

// Verdict is the probe's word on a mechanism.
type Verdict string

// Verdicts.
const (
	Works    Verdict = "works"    // gave what the known vector says
	Missing  Verdict = "missing"  // the token does not have it
	Wrong    Verdict = "wrong"    // gave something else: never used
	Unproven Verdict = "unproven" // the token offers it, and does not let us prove it
)

// Finding is what the probe found about one mechanism.
type Finding struct {
	Mechanism string  `json:"mechanism"`
	Verdict   Verdict `json:"verdict"`
	Detail    string  `json:"detail,omitempty"`
}

// KeyInfo describes a key.
type KeyInfo struct {
	Name string `json:"name"`
	URI  string `json:"uri"`
	Spec Spec   `json:"spec"`
	// Born tells that the key was made where it is and has never been able to leave.
	Born    bool   `json:"born"`
	Problem string `json:"problem,omitempty"` // why it cannot be used
}
