package config

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestWebhooksAreReadAndReloaded(t *testing.T) {
	secret := "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32)))
	t.Setenv("CASEWIRE_TEST_HOOK", secret)
	name := filepath.Join(t.TempDir(), "casewire.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const one = "webhooks:\n  - {id: workshop, url: \"https://shop.example/x\", secret: {env: CASEWIRE_TEST_HOOK}, events: [\"*\"], queues: [tv]}\n"
	write(one)
	s, err := Load(name, kinds())
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Webhooks) != 1 || s.Webhooks[0].ID != "workshop" || !s.Webhooks[0].Takes("case.status", "tv") || s.Webhooks[0].Takes("case.status", "phones") {
		t.Fatalf("got %+v", s.Webhooks)
	}
	l := NewLive(s, kinds(), time.Now)
	write(one + "  - {id: other, url: \"http://shop.example/x\", secret: {env: CASEWIRE_TEST_HOOK}, events: [\"*\"]}\n")
	if err := l.Reload(t.Context(), nil); err == nil || len(l.Snapshot().Webhooks) != 1 {
		t.Errorf("a bad webhook: %v, %d in force", err, len(l.Snapshot().Webhooks))
	}
	write(one + "  - {id: other, url: \"https://shop.example/y\", secret: {env: CASEWIRE_TEST_HOOK}, events: [\"case.*\"]}\n")
	if err := l.Reload(t.Context(), nil); err != nil || len(l.Snapshot().Webhooks) != 2 {
		t.Errorf("a good webhook: %v, %d in force", err, len(l.Snapshot().Webhooks))
	}
}
