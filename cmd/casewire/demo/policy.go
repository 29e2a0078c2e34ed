package demo

import (
	"bytes"

	"casewire/config/policy"
)

// Hold is how long the demo holds the notice of a status. It is shorter than the
// default policy's, so that one sees it go out, and long enough to take it back.
const Hold = "8s"

// Policy is the default one with the demo's hold.
func Policy() []byte {
	return bytes.Replace(policy.Default(), []byte("  hold: 2m "), []byte("  hold: "+Hold+" "), 1)
}
