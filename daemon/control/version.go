package control

// Version is what `--version` and snapshots show. The linker sets it (Makefile).
var Version = "development"

// GDOIVersion is the version of GDOI with our extensions that daemons of this release speak. The vendor id that a member sends
// in phase 1 stands for its major number.
const GDOIVersion = "1.0.0"
