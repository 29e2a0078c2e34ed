package sms

import (
	"strings"
	"testing"

	"casewire/channels"
	"casewire/channels/sms/sandbox"
)

// examine returns one word for each finding: its step, and how it went.
func (r *rig) examine(change func(*Config)) (out []string, text string) {
	r.Helper()
	ch, err := r.config(change).Open(r.house.Env(channelID))
	if err != nil {
		r.Fatal(err)
	}
	ch.(channels.Examiner).Examine(r.Context(), func(f channels.Finding) {
		word := map[bool]string{true: "ok", false: "bad"}[f.OK]
		if f.Warn {
			word = "warn"
		}
		if (f.Warn || !f.OK) && f.Mend == "" {
			r.Errorf("%s: %q and no way to mend it", f.Step, f.Text)
		}
		out = append(out, f.Step+" "+word)
		text += f.Text + "; " + f.Mend + "\n"
	})
	return out, text
}

func TestExamine(t *testing.T) {
	r := assemble(t, sandbox.Options{Service: service})
	number := "number " + ourNumber
	dialled := func(c *Config) { c.Voice.Dial = []string{shopPhone} }
	for _, v := range []struct {
		name   string
		before func()
		change func(*Config)
		want   string
	}{
		{"well", nil, nil, "webhook warn, login ok, " + number + " ok"},
		{"service", nil, func(c *Config) { c.MessagingService = service }, "webhook warn, login ok, messaging service ok, " + number + " ok"},
		{"unknown service", nil, func(c *Config) { c.MessagingService = "MG" + strings.Repeat("9", 32) }, "webhook warn, login ok, messaging service bad, " + number + " ok"},
		{"name", nil, func(c *Config) { c.From = "MillStreet" }, "webhook warn, login ok, sender warn"},
		{"not our number", nil, func(c *Config) { c.From = "+15005559999" }, "webhook warn, login ok, number +15005559999 bad"},
		{"wrong token", nil, func(c *Config) { c.AuthToken = channels.NewSecret(nextToken) }, "webhook warn, login bad"},
		{"for Twilio alone", func() { r.twilio.Point(ourNumber, r.url+"#rc=3") }, nil, "webhook warn, login ok, " + number + " ok"},
		{"pointed elsewhere", func() { r.twilio.Point(ourNumber, "https://old.example/sms") }, nil, "webhook warn, login ok, " + number + " bad"},
		{"calls go nowhere", nil, dialled, "webhook warn, login ok, " + number + " bad, calls to " + ourNumber + " bad"},
		{"calls", func() { r.twilio.PointVoice(ourNumber, r.house.URL+"/hooks/voice/shop", "") }, dialled, "webhook warn, login ok, " + number + " bad, calls to " + ourNumber + " ok"},
		{"pointed nowhere", func() { r.twilio.Point(ourNumber, "") }, nil, "webhook warn, login ok, " + number + " bad"},
	} {
		if v.before != nil {
			v.before()
		}
		got, text := r.examine(v.change)
		if strings.Join(got, ", ") != v.want {
			t.Errorf("%s: %q\n%s", v.name, got, text)
		}
		if strings.Contains(text, r.twilio.AuthToken()) {
			t.Errorf("%s: the token is shown", v.name)
		}
	}
	if len(r.twilio.Sent()) != 0 || r.house.Memory.Dump() != "" {
		t.Error("it left something behind")
	}
}

func TestProbe(t *testing.T) {
	r := assemble(t, sandbox.Options{})
	if err := r.closed().Probe(t.Context()); err != nil {
		t.Error(err)
	}
	r.twilio.Fail(sandbox.Fault{Op: "account", Status: 401, Code: 20003})
	if err := r.closed().Probe(t.Context()); err == nil || !strings.Contains(err.Error(), "20003") {
		t.Errorf("%v", err)
	}
}
