package main

import (
	"github.com/getvpn/getvpn/lab/compose"
	"github.com/getvpn/getvpn/lab/driver"
	"github.com/getvpn/getvpn/lab/netns"
	"github.com/getvpn/getvpn/lab/sim/live"
)

// drivers are what labs can be made of.
var drivers = driver.Set{netns.Name: netns.Driver{}, compose.Name: compose.Driver{}, live.Name: live.Driver{}}
