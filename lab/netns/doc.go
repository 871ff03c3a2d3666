// Package netns is the lab driver for Linux network namespaces: every node is a namespace gvl-LAB-NODE, every link a
// veth pair between two of them, every daemon a process inside one, detached from the tool that started it. Nothing
// touches the namespace in which the tool runs. All this takes root, or the user namespace that package space makes for an ordinary
// user's labs. What it shares with other drivers, lab.json and the run directory too, is in
// package driver.
//
// # Taking a lab down
//
// Down needs only the lab's name: it finds namespaces by their prefix and processes by the namespace they live in, so
// it also clears what a tool left that was killed halfway, and says so when something resists.
package netns
