# The command contract of getvpn. `make help` lists it.
#
#   make lab     a whole group in network namespaces: key server, members, core, console
#   make test    everything that a fresh machine can prove
#   make build   bin/getvpn-ks bin/getvpn-gm bin/getvpn-tui bin/getvpn-lab
#   make check   vet, formatting, lint, import arrows, race detector, short fuzzing
#   make sim     cooperating key servers in virtual time, with faults drawn from SEEDS (1000) seeds; what breaks is in sim-out
#   make bench   seal and open, registrations per second, throughput through two members
#   make bench-peers   this data path beside plain forwarding, wireguard-go, nebula, openvpn and strongSwan (16 minutes; PEERS=--quick: 4)

GO        ?= go
BIN       := bin
VERSION   := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS   := -s -w -X github.com/getvpn/getvpn/daemon/control.Version=$(VERSION)
COMMANDS  := ./daemon/cmd/getvpn-ks ./daemon/cmd/getvpn-gm ./tui/cmd/getvpn-tui ./lab/cmd/getvpn-lab
RACE      := ./gdoi/... ./esp/... ./daemon/... ./hsm/... ./tui/...
FUZZTIME  ?= 5s
SEEDS     ?= 1000
FROM      ?= 0
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: help build test lab check sim bench bench-peers fuzz race lint clean

help:
	@sed -n 's/^#   //p' Makefile

build:
	@.ci/need go
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/ $(COMMANDS)

# One package at a time: the tests of the whole product (lab/cmd/getvpn-lab) count single lost packets, under traffic, and
# must not compete with others for the processor.
test: build
	@.ci/need go gcc tun ip nft sysctl scapy softhsm
	@[ "$$(id -u)" = 0 ] || echo "make test: not root, so the tests in network namespaces skip themselves; sudo make test runs them"
	$(GO) vet ./...
	$(GO) test -p 1 -timeout 30m ./...

lab: build
	@.ci/need go tun root
	$(BIN)/getvpn-lab demo basic

sim: build
	$(BIN)/getvpn-lab sim --seeds $(SEEDS) --from $(FROM)

check: build lint race fuzz

lint:
	@test -z "$$(gofmt -l daemon esp gdoi hsm lab tui)" || { echo "gofmt these:"; gofmt -l daemon esp gdoi hsm lab tui; exit 1; }
	$(GO) vet ./...
	$(GO) mod tidy -diff
	$(GO) run $(STATICCHECK) ./...
	$(GO) test ./lab/house

race:
	@.ci/need go gcc softhsm
	CGO_ENABLED=1 $(GO) test -race -timeout 20m $(RACE)

fuzz:
	@.ci/fuzz $(FUZZTIME)

bench: build
	@.ci/need go tun root iperf3
	$(GO) test -run '^$$' -bench 'Seal|Open|Lookup|Registration' -benchtime 1s ./esp/... ./daemon/ks/...
	$(BIN)/getvpn-lab bench

bench-peers: build
	@.ci/need go tun root iperf3
	$(BIN)/getvpn-lab bench-peers $(PEERS)

clean:
	rm -rf $(BIN)
