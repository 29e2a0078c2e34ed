package channeltest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// loopbackOnly fails the test when anything resolves a foreign name, or dials a
// foreign address through the default transport, until the test ends.
func loopbackOnly(t *testing.T) {
	resolver, transport := net.DefaultResolver, http.DefaultTransport
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		t.Error("a name was looked up outside")
		return nil, net.UnknownNetworkError("outside")
	}}
	http.DefaultTransport = &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			t.Errorf("a request left the machine")
			return nil, net.UnknownNetworkError("outside")
		}
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}}
	t.Cleanup(func() { net.DefaultResolver, http.DefaultTransport = resolver, transport })
}

// transcript is everything that was logged. It is safe for concurrent use.
type transcript struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write appends to the transcript.
func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.Write(p)
}

// String returns what was written.
func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Clone(t.b.String())
}

// spoken numbers the texts of all tests of this process.
var spoken atomic.Int64

// canary returns a text that nothing else can contain.
func canary() string { return fmt.Sprintf("canary-%d-sings", spoken.Add(1)) }
