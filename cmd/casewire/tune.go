package main

import (
	"os"
	"runtime/debug"
)

// tune lets garbage grow to twice of what is in use before it is collected: what a
// message costs is a sixth less, and a busy process holds some megabytes more.
// GOGC in the environment decides otherwise.
func tune() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(200)
	}
}
