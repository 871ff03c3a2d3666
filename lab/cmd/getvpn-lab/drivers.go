package main

import (
	"github.com/getvpn/getvpn/lab/driver"
	"github.com/getvpn/getvpn/lab/netns"
)

// drivers are what labs can be made of.
var drivers = driver.Set{netns.Name: netns.Driver{}}
