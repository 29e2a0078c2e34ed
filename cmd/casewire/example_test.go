package main

import (
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"

	"casewire/config"
	"casewire/config/sample"
)

var update = flag.Bool("update", false, "write config/example.yaml anew")

// TestExampleFile promises that config/example.yaml shows every key with its
// default, and that it is a valid configuration that changes nothing.
func TestExampleFile(t *testing.T) {
	const name = "../../config/example.yaml"
	want, err := sample.File(os.DirFS("../.."), kinds())
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(name, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Error("out of date; run: go test ./cmd/casewire -run TestExampleFile -update")
	}
	for name, value := range map[string]string{
		"TWILIO_AUTH_TOKEN": strings.Repeat("0a", 16), "TELEGRAM_TOKEN": "123456789:" + strings.Repeat("Aa0", 11) + "-_",
	} {
		t.Setenv(name, value)
	}
	s, err := config.Load(name, kinds())
	if err != nil {
		t.Fatal(err)
	}
	plain, err := config.Default(kinds())
	if err != nil {
		t.Fatal(err)
	}
	plain.Static.TrustedProxies = s.Static.TrustedProxies // an empty list and none are the same
	if !reflect.DeepEqual(s.Static, plain.Static) || s.Dynamic != plain.Dynamic || len(s.Channels) != len(kinds()) {
		t.Errorf("the example changes something:\n%+v\n%+v", s.Static, plain.Static)
	}
}
