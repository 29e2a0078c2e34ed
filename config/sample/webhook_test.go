package sample_test

import (
	"encoding/base64"
	"os"
	"regexp"
	"strings"
	"testing"

	"casewire/channels"
	"casewire/config"
	"casewire/config/sample"
)

// The webhook in the sample is a remark; without the signs that make it one it is
// right as it stands.
func TestSampleWebhookIsRight(t *testing.T) {
	secret := "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32)))
	t.Setenv("CASEWIRE_WORKSHOP_SECRET", secret)
	text, err := sample.File(os.DirFS("../.."), channels.Kinds{})
	if err != nil {
		t.Fatal(err)
	}
	before, hook, found := strings.Cut(string(text), "\n# webhooks:")
	if !found {
		t.Fatal("no webhook in the sample")
	}
	hook = regexp.MustCompile(`(?m)^# ?`).ReplaceAllString("# webhooks:"+hook, "")
	s, err := config.Parse("sample.yaml", []byte(strings.Replace(before, "\nchannels:\n", "\n", 1)+"\n"+hook), channels.Kinds{})
	if err != nil {
		t.Fatalf("%v\n%s", err, hook)
	}
	if len(s.Webhooks) != 1 || s.Webhooks[0].ID != "workshop" || s.Webhooks[0].Secret.Value() != secret {
		t.Errorf("%+v", s.Webhooks)
	}
}
