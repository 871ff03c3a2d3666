package control

// Version is what `--version` and snapshots show. The linker sets it (Makefile).
var Version = "development"
