package sms

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"casewire/channels"
	"casewire/channels/channeltest"
	"casewire/channels/sms/sandbox"
)

var png = []byte("\x89PNG\r\n\x1a\n and so on")

// files returns the message that brought the files of another.
func (r *rig) files(of string) (m channels.Inbound, ok bool) {
	for _, m := range r.house.Book.Messages() {
		if m.ExternalID == of+"/media" {
			return m, true
		}
	}
	return m, false
}

func (r *rig) fetched(of string) channels.Inbound {
	r.Helper()
	r.wait("files", func() bool { _, ok := r.files(of); return ok })
	m, _ := r.files(of)
	return m
}

// A picture comes after its message, answers it, and says what it is by its content.
func TestPicturesFollowTheirMessage(t *testing.T) {
	r := start(t, sandbox.Options{}, nil)
	id := r.text("see", sandbox.Media{Type: "image/jpeg", Data: png}, sandbox.Media{Type: "text/plain", Data: []byte("words")})
	m := r.fetched(id)
	if len(m.Answers) != 1 || m.Answers[0] != id || m.From.Handle != customer || m.Broken != "" || len(m.Body.Files) != 2 {
		t.Fatalf("%+v", m)
	}
	f := m.Body.Files[0]
	if f.Type != "image/png" || f.Name != "mms-1.jpg" || f.Size != int64(len(png)) {
		t.Errorf("%+v", f)
	}
	rd, err := r.house.Files.Open(t.Context(), f.Blob)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(rd); err != nil || !bytes.Equal(b, png) {
		t.Errorf("%q, %v", b, err)
	}
	if first := r.house.Book.Messages()[0]; first.ExternalID != id || first.Facts["files"] != "2" || first.Body.Text != "see" || !slices.Equal(first.Refs, m.Answers) {
		t.Errorf("%+v", first)
	}
}

// The provider waits for no picture: the message is acknowledged while they cannot
// be fetched, and they come when they can, a restart later.
func TestPicturesSurviveARestart(t *testing.T) {
	r := start(t, sandbox.Options{}, nil)
	undo := r.twilio.Fail(sandbox.Fault{Op: "media", Status: 503})
	id := r.text("see", sandbox.Media{Data: png})
	r.close()
	undo()
	if _, ok := r.files(id); ok {
		t.Fatal("fetched from a provider that is out of order")
	}
	later := time.Now().Add(time.Hour)
	r.now = func() time.Time { return later }
	r.open(nil)
	if m := r.fetched(id); len(m.Body.Files) != 1 || m.Broken != "" {
		t.Errorf("%+v", m)
	}
}

// What another process has noted and not fetched, because it died, is fetched at the
// second look: while it lives, it does so itself, once its message is handed over.
func TestPicturesOfADeadProcess(t *testing.T) {
	r := assemble(t, sandbox.Options{})
	ch, err := r.config(nil).Open(r.house.Env(channelID))
	if err != nil {
		t.Fatal(err)
	}
	d, id := ch.(*Door), sid(1)
	if err := d.media.add(t.Context(), job{SID: id, From: customer, To: ourNumber, URLs: []string{"file:///gone"}, At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	known, wait := d.fetchDue(t.Context(), r.house.Book, false, nil)
	if _, early := r.files(id); early || !known[id] || wait > 10*time.Second {
		t.Fatalf("fetched at the first look: %v; next in %v", early, wait)
	}
	d.fetchDue(t.Context(), r.house.Book, false, known)
	if m, ok := r.files(id); !ok || m.Broken == "" {
		t.Errorf("not fetched at the second look: %+v", m)
	}
}

// What can never be fetched is said in the message, and nothing else is lost.
func TestPicturesThatCannotBeFetched(t *testing.T) {
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("asked inside") }))
	defer inside.Close()
	r := start(t, sandbox.Options{}, func(c *Config) { c.Limits.MediaBytes = 10 })
	for i, address := range []string{inside.URL + "/secret", "http://169.254.169.254/latest/meta-data", "file:///etc/passwd", "https://twilio.com.evil.example/x", "::"} {
		f := r.inbound(sid(i+1), "")
		f.Set("NumMedia", "1")
		f.Set("MediaUrl0", address)
		if got := r.post(r.url, f); got != 200 {
			t.Fatalf("%s: %d", address, got)
		}
		if m := r.fetched(sid(i + 1)); !strings.Contains(m.Broken, "not at the provider") || len(m.Body.Files) != 0 {
			t.Errorf("%s: %+v", address, m)
		}
	}
	id := r.text("two", sandbox.Media{Data: png[:9]}, sandbox.Media{Data: png})
	if m := r.fetched(id); !strings.Contains(m.Broken, "larger than 10") || len(m.Body.Files) != 1 {
		t.Errorf("%+v", m)
	}
	if n := r.door.Counts()["media_failed"]; n != 6 {
		t.Errorf("%d failures counted, want 6", n)
	}
}

// After enough tries the message is handed over without its files.
func TestPicturesAreGivenUp(t *testing.T) {
	r := assemble(t, sandbox.Options{})
	d, in := r.closed(), r.house.Book
	j := job{SID: sid(1), From: customer, To: ourNumber, URLs: []string{r.twilio.URL() + "/2010-04-01/Accounts/" + r.twilio.AccountSID() + "/Messages/" + sid(1) + "/Media/ME1"}}
	if err := d.media.add(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	for try := range mediaTries {
		_, jobs, err := d.media.load(t.Context())
		if err != nil || len(jobs) != 1 || jobs[0].Tries != try {
			t.Fatalf("try %d: %+v, %v", try, jobs, err)
		}
		next, err := d.fetchJob(t.Context(), in, jobs[0])
		if err != nil || (next == 0) != (try == mediaTries-1) {
			t.Fatalf("try %d: %s, %v", try, next, err)
		}
	}
	m, ok := r.files(sid(1))
	if _, jobs, err := d.media.load(t.Context()); err != nil || len(jobs) != 0 || !ok || !strings.Contains(m.Broken, "HTTP 404") {
		t.Errorf("%+v, %d jobs left, %v", m, len(jobs), err)
	}
}

// closed opens a door that does not run.
func (r *rig) closed() *Door {
	r.Helper()
	ch, err := r.config(nil).Open(r.house.Env(channelID))
	if err != nil {
		r.Fatal(err)
	}
	return ch.(*Door)
}

func TestTheQueueOfFilesIsBounded(t *testing.T) {
	q := &queue{state: &channeltest.Memory{}}
	jobs := make([]job, maxJobs)
	if _, err := q.change(t.Context(), func([]job) ([]job, error) { return jobs, nil }); err != nil {
		t.Fatal(err)
	}
	if err := q.add(t.Context(), job{SID: "one more"}); err == nil {
		t.Error("it takes without end")
	}
}

func TestOnlyTheProviderIsAsked(t *testing.T) {
	for address, want := range map[string]bool{
		"https://api.twilio.com/2010-04-01/x":                                        true,
		"https://mms.twiliocdn.com/x":                                                true,
		"https://api.twilio.com:443/x":                                               true,
		"https://s3-external-1.amazonaws.com/media.twiliocdn.com/a/b":                true,
		"https://s3-external-1.amazonaws.com/media.twiliocdn.com/../evil/b":          false,
		"https://s3-external-1.amazonaws.com/evil/b":                                 false,
		"http://api.twilio.com/x":                                                    false,
		"https://api.twilio.com:8443/x":                                              false,
		"https://api.twilio.com@evil.example/x":                                      false,
		"https://user@api.twilio.com/x":                                              false,
		"https://eviltwilio.com/x":                                                   false,
		"https://twilio.com.evil.example/x":                                          false,
		"https://127.0.0.1/x":                                                        false,
		"ftp://api.twilio.com/x":                                                     false,
		"https://[::1]/x":                                                            false,
		"https://metadata.google.internal/computeMetadata":                           false,
		"https://api.twilio.com.:443/2010":                                           false,
		"https://evil.example/https://api.twilio.com/2010-04-01/Accounts/Media/ME12": false,
	} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		if got := provider(u); got != want {
			t.Errorf("%s: %t", address, got)
		}
	}
}

func TestAddressesInside(t *testing.T) {
	for address, want := range map[string]bool{
		"3.93.158.128": true, "2600:1f18::1": true,
		"127.0.0.1": false, "10.1.2.3": false, "172.16.0.1": false, "192.168.1.1": false, "169.254.169.254": false,
		"100.64.0.1": false, "0.0.0.0": false, "0.1.2.3": false, "255.255.255.255": false, "224.0.0.1": false, "240.0.0.1": false,
		"198.18.0.1": false, "::1": false, "::": false, "fe80::1": false, "fc00::1": false, "::ffff:127.0.0.1": false,
		"::ffff:10.0.0.1": false, "64:ff9b::7f00:1": false, "2002:7f00:1::": false, "ff02::1": false,
	} {
		if got := channels.Outside(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: %t", address, got)
		}
		if err := outsideOnly("tcp", netip.AddrPortFrom(netip.MustParseAddr(address), 443).String(), nil); (err == nil) != want {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// A name of the provider's that resolves to an address inside is not connected to.
func TestResolvedAddressIsChecked(t *testing.T) {
	g := newGuard(nil)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if conn, err := g.next.DialContext(ctx, "tcp", "localhost:443"); err == nil || !strings.Contains(err.Error(), errForeign.Error()) {
		t.Errorf("%v, %v", conn, err)
	}
}
