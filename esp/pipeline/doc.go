// Package pipeline carries packets between the LAN and the WAN through the engine: the goroutines of the data path.
//
//	LAN → WAN   tun.Read ─▶ Worker.Outbound ─▶ sealed, clear ─▶ wire.WriteBatch
//	                                        └▶ ICMP replies ──▶ Errors.Send
//	WAN → LAN   wire.ReadBatch ─▶ Worker.Inbound ─▶ opened ───▶ tun.Write
//	routers     Errors.Read ──▶ Worker.Errors ───▶ for hosts ─▶ Errors.Send
//
// One goroutine per direction runs each batch to its end: handing packets over between goroutines costs a wake-up, which
// is dearer than the cryptography. Buffers are made once; a packet costs no allocation. The order of packets within a
// direction is kept. With several workers each has a queue of the TUN and of the WAN, chosen by addresses, and order is kept
// within a pair of hosts.
package pipeline
