// Package house holds the test that keeps the import arrows of the house straight. It has no code of its own:
//
//	tui ──▶ daemon/control        lab ──▶ everything but tui
//	daemon ──▶ gdoi, esp, hsm     gdoi, esp, hsm import none of each other
//	nothing imports tui or lab    gdoi (and the pure half of esp) has no clock, no sockets, no files
package house
