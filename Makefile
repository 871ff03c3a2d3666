# The command contract of getvpn. `make help` lists it.
#
#   make lab     a whole group in network namespaces: key server, members, core, console
#   make test    everything that a fresh machine can prove
#   make build   bin/getvpn-ks bin/getvpn-gm bin/getvpn-tui bin/getvpn-lab; with CGO=0 without a C compiler, and without tokens
#   make image   the image of lab containers (getvpn), FROM BASE: this machine's Debian release, of make base or of a registry
#   make base    a base image without a registry: this machine's Debian release from its own mirror, by debootstrap
#   make check   vet, formatting, lint, import arrows, race detector, short fuzzing
#   make sim     cooperating key servers in virtual time, with faults drawn from SEEDS (1000) seeds; what breaks is in sim-out
#   make bench   seal and open, registrations, signatures and rekeys per second with keys in files and in a token, a slow token, how long
#                a KEK is in memory, throughput through two members
#   make bench-peers   this data path beside plain forwarding, wireguard-go, nebula, openvpn and strongSwan (16 minutes; PEERS=--quick: 4)

GO        ?= go
BIN       := bin
VERSION   := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS   := -s -w -X github.com/getvpn/getvpn/daemon/control.Version=$(VERSION)
DAEMONS   := ./daemon/cmd/getvpn-ks ./daemon/cmd/getvpn-gm
TOOLS     := ./tui/cmd/getvpn-tui ./lab/cmd/getvpn-lab
# Daemons load the PKCS#11 modules of tokens, which takes cgo and a C compiler; names and users are looked up by Go alone, as
# without. CGO=0 builds daemons that keep keys in files, and refuse the configuration's custody section.
CGO       ?= 1
# Wiping of what cryptography leaves in registers, stacks and garbage (hsm/wipe): an experiment of Go 1.26 on Linux.
GOEXPERIMENT ?= $(shell GOEXPERIMENT=runtimesecret $(GO) env GOVERSION >/dev/null 2>&1 && echo runtimesecret)
export GOEXPERIMENT
# What programs, tests and lint have in common is compiled once, wherever the tree is.
export GOFLAGS := $(GOFLAGS) -trimpath
RACE      := ./esp/... ./daemon/... ./hsm/...
FUZZTIME  ?= 5s
SEEDS     ?= 1000
BASE      ?=
IMAGE     ?= getvpn
FROM      ?= 0
WHOLE     := lab/cmd/getvpn-lab
SIMULATED := TestRunInSimulator$$
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: help build test lab image base check sim bench bench-peers fuzz race lint clean

help:
	@sed -n 's/^#   //p' Makefile

build:
	@.ci/need go
	@[ "$(CGO)" = 0 ] || .ci/need gcc || { echo "make build: tokens take a C compiler; make build CGO=0 builds daemons that keep keys in files" >&2; exit 1; }
	CGO_ENABLED=$(CGO) $(GO) build -trimpath -tags netgo,osusergo -ldflags '$(LDFLAGS)' -o $(BIN)/ $(DAEMONS)
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/ $(TOOLS)
	@[ "$(CGO)" != 0 ] || echo "make build: built without cgo: getvpn-ks and getvpn-gm keep keys in files and cannot use tokens (custody:)"

# What there is waits much, so two packages are tested at a time. The tests of the whole product (WHOLE) and the scenarios count single lost
# packets, under traffic, and must not compete with those for the processor; but they mostly wait for keys to roll, so three labs run side by side.
# The scenarios run in the simulator (SIMULATED, whose figures are shown), and in namespaces as a trainer runs them: whole, and broken on
# purpose, which their checks must notice.
test: build
	@.ci/need go gcc tun ip nft sysctl scapy softhsm bird tcpdump ping tmux
	$(GO) vet ./...
	$(GO) test -p 2 -timeout 30m $$($(GO) list ./... | grep -v $(WHOLE)$$)
	$(GO) test -v -count 1 -run '$(SIMULATED)' ./$(WHOLE)
	$(GO) test -skip '$(SIMULATED)' -parallel 3 -timeout 30m ./$(WHOLE)
	@if [ "$$(id -u)" = 0 ]; then set -ex; \
		$(BIN)/getvpn-lab run --all --profile quick --jobs 3; \
		$(BIN)/getvpn-lab run --all --profile quick --jobs 3 --sabotage; \
	else echo "make test: not root, so the tests in network namespaces have skipped themselves and no scenario was run; sudo make test runs them"; fi

lab: build
	@.ci/need go tun
	$(BIN)/getvpn-lab demo basic

image: build
	@.ci/need engine
	lab/compose/image $(BIN) $(IMAGE) $(BASE)

base:
	@.ci/need root engine debootstrap
	lab/compose/base

sim: build
	$(BIN)/getvpn-lab sim --seeds $(SEEDS) --from $(FROM)

check: build lint race fuzz

lint:
	@test -z "$$(gofmt -l daemon esp gdoi hsm lab tui)" || { echo "gofmt these:"; gofmt -l daemon esp gdoi hsm lab tui; exit 1; }
	$(GO) vet ./...
	$(GO) mod tidy -diff
	$(GO) run $(STATICCHECK) ./...
	$(GO) test ./lab/house

# Two at a time, since the tests of daemons mostly wait; gdoi in short, as machines have no goroutines.
race:
	@.ci/need go gcc softhsm
	CGO_ENABLED=1 $(GO) test -race -timeout 20m $(RACE) & first=$$!; \
	CGO_ENABLED=1 $(GO) test -race -short -timeout 20m ./tui/... ./gdoi/... ; second=$$?; \
	wait $$first && exit $$second

fuzz:
	@.ci/fuzz $(FUZZTIME)

bench: build
	@.ci/need go tun root iperf3 softhsm
	$(GO) test -run '^$$' -bench 'Seal|Open|Lookup|Registration|Rekey|Custody' -benchtime 1s ./esp/... ./daemon/ks/... ./hsm/pkcs11/...
	$(GO) test -run 'TestSlowToken|TestNothingLeaks' -count 1 -v ./daemon/ks
	$(BIN)/getvpn-lab bench

bench-peers: build
	@.ci/need go tun root iperf3
	$(BIN)/getvpn-lab bench-peers $(PEERS)

clean:
	rm -rf $(BIN)
