package sms

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"casewire/channels"
)

// apiHost is where the library believes the API to be.
const apiHost = "https://api.twilio.com"

var errForeign = errors.New("not an address of the provider")

// guard lets requests go to the provider only: by name, and by the address that
// the name resolves to. A stand-in takes the place of all the provider's hosts.
type guard struct {
	standIn *url.URL // nil: the real provider
	next    *http.Transport
}

func newGuard(standIn *url.URL) *guard {
	plain := &net.Dialer{Timeout: 10 * time.Second}
	outside := &net.Dialer{Timeout: 10 * time.Second, Control: outsideOnly}
	g := &guard{standIn: standIn}
	g.next = &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if standIn != nil {
				return plain.DialContext(ctx, network, addr)
			}
			return outside.DialContext(ctx, network, addr)
		},
		TLSHandshakeTimeout: 10 * time.Second,
		MaxIdleConnsPerHost: 32, // as many as the outbox sends at once
		IdleConnTimeout:     90 * time.Second,
		ForceAttemptHTTP2:   true,
	}
	return g
}

// RoundTrip refuses what is not the provider's.
func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	if g.standIn == nil {
		if !provider(req.URL) {
			return nil, errForeign
		}
		return g.next.RoundTrip(req)
	}
	if !provider(req.URL) && (req.URL.Scheme != g.standIn.Scheme || req.URL.Host != g.standIn.Host) {
		return nil, errForeign
	}
	req = req.Clone(req.Context())
	req.URL.Scheme, req.URL.Host, req.Host = g.standIn.Scheme, g.standIn.Host, ""
	return g.next.RoundTrip(req)
}

// provider says that an address is one at which Twilio keeps its API or its media.
func provider(u *url.URL) bool {
	if u.Scheme != "https" || u.User != nil || u.Port() != "" && u.Port() != "443" {
		return false
	}
	host := strings.ToLower(u.Hostname())
	for _, domain := range []string{"twilio.com", "twiliocdn.com"} {
		if host == domain || strings.HasSuffix(host, "."+domain) {
			return true
		}
	}
	return host == "s3-external-1.amazonaws.com" && strings.HasPrefix(u.Path, "/media.twiliocdn.com/") && !strings.Contains(u.Path, "..")
}

// outsideOnly refuses to connect to addresses inside: this machine, its networks
// and what clouds answer at.
func outsideOnly(network, address string, c syscall.RawConn) error {
	if channels.OutsideOnly(network, address, c) != nil {
		return fmt.Errorf("connect: %w", errForeign)
	}
	return nil
}
