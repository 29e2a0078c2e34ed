package demo

import (
	"testing"
	"time"

	"casewire/config/policy"
)

// The demo is the default policy, but for the hold.
func TestPolicyHoldsForSeconds(t *testing.T) {
	ours, err := policy.Load("demo", Policy(), 1)
	if err != nil {
		t.Fatal(err)
	}
	usual, err := policy.Load("default", policy.Default(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if h := time.Duration(ours.Document.Notices.Delivery.Hold); h <= 0 || h > 15*time.Second {
		t.Errorf("a status is held for %s", h)
	}
	if h := time.Duration(usual.Document.Notices.Delivery.Hold); h != 2*time.Minute {
		t.Errorf("the default hold is %s", h)
	}
}
