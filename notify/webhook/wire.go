package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"time"

	"casewire/channels"
	"casewire/notify/shift"
)

// Why a try failed, besides "http_" and a status.
const (
	reasonTimeout  = "timeout"
	reasonRefused  = "refused"  // nobody listens there
	reasonName     = "dns"      // the name does not resolve
	reasonTLS      = "tls"      // the encryption or the certificate
	reasonInside   = "inside"   // the address is not one that may be connected to
	reasonRedirect = "redirect" // redirects are not followed
	reasonBroken   = "broken"   // the connection ended
	reasonSecret   = "secret"   // the secret cannot be used
	reasonStopped  = "stopped"  // the sender stopped before it heard the answer
)

// most is how much of an answer is read; its words are of no use.
const most = 16 << 10

// wire is how posts go out: to the outside only, to the own networks as well, or
// in clear within them.
type wire struct {
	agent            string
	timeout          time.Duration
	now              func() time.Time
	outside, private *http.Client
	clear            *http.Client
}

func newWire(o Options) wire {
	client := func(control func(string, string, syscall.RawConn) error) *http.Client {
		var t http.RoundTripper = &http.Transport{
			DialContext:            (&net.Dialer{Timeout: o.Timeout, Control: control}).DialContext,
			TLSHandshakeTimeout:    o.Timeout,
			MaxIdleConnsPerHost:    o.Workers,
			IdleConnTimeout:        90 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
			DisableCompression:     true,
			ForceAttemptHTTP2:      true,
		}
		if o.Transport != nil {
			t = o.Transport
		}
		return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	return wire{
		agent: o.Agent, timeout: o.Timeout, now: o.Now,
		outside: client(channels.OutsideOnly), private: client(channels.OwnNetworks), clear: client(ownOnly),
	}
}

// ownOnly is for what is not encrypted: it does not leave the own networks.
func ownOnly(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil || !channels.Own(ap.Addr()) {
		return fmt.Errorf("connect in clear: %w", channels.ErrInside)
	}
	return nil
}

func (w *wire) close() {
	for _, c := range []*http.Client{w.outside, w.private, w.clear} {
		c.CloseIdleConnections()
	}
}

func (w *wire) client(s *Subscription) *http.Client {
	switch {
	case !s.AllowPrivate:
		return w.outside
	case strings.HasPrefix(strings.ToLower(s.URL), "http:"):
		return w.clear
	}
	return w.private
}

// answer is how one post ended.
type answer struct {
	status int           // 0: no answer
	reason string        // why it failed; empty: it did not
	after  time.Duration // that the receiver asks to wait
	took   time.Duration
}

// post sends body to the subscriber. What it answers beyond the status is read, a
// little of it, and dropped.
func (w *wire) post(ctx context.Context, s *Subscription, id string, body []byte) answer {
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	began := w.now()
	a := w.try(ctx, s, id, body)
	a.took = w.now().Sub(began)
	return a
}

func (w *wire) try(ctx context.Context, s *Subscription, id string, body []byte) answer {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL, bytes.NewReader(body))
	if err != nil {
		return answer{reason: reasonBroken}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", w.agent)
	if err := s.sign(req.Header, id, w.now(), body); err != nil {
		return answer{reason: reasonSecret}
	}
	resp, err := w.client(s).Do(req)
	if err != nil {
		return answer{reason: reasonOf(ctx, err)}
	}
	defer resp.Body.Close()
	// The status is the answer; a body that is cut off changes nothing.
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, most))
	a := answer{status: resp.StatusCode}
	switch a.status / 100 {
	case 2:
		return a
	case 3:
		a.reason = reasonRedirect
	default:
		a.reason = "http_" + strconv.Itoa(a.status)
	}
	if a.status == http.StatusTooManyRequests || a.status == http.StatusServiceUnavailable {
		a.after = retryAfter(resp.Header.Get("Retry-After"), w.now())
	}
	return a
}

// longest is the longest that a receiver may ask to wait.
const longest = 24 * time.Hour

// retryAfter reads the header: seconds, or a time.
func retryAfter(text string, now time.Time) time.Duration {
	if n, err := strconv.Atoi(strings.TrimSpace(text)); err == nil {
		return time.Duration(min(max(n, 0), int(longest/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(at.Sub(now), 0), longest)
	}
	return 0
}

// reasonOf puts an error into a word: its own words may hold the address, which
// may be a secret.
func reasonOf(ctx context.Context, err error) string {
	var (
		dns      *net.DNSError
		cert     *tls.CertificateVerificationError
		record   tls.RecordHeaderError
		alert    tls.AlertError
		unknown  x509.UnknownAuthorityError
		name     x509.HostnameError
		deadline interface{ Timeout() bool }
	)
	switch {
	case errors.Is(context.Cause(ctx), shift.ErrCut):
		return reasonStopped
	case errors.Is(err, channels.ErrInside):
		return reasonInside
	case errors.Is(err, syscall.ECONNREFUSED):
		return reasonRefused
	case errors.As(err, &cert), errors.As(err, &record), errors.As(err, &alert), errors.As(err, &unknown), errors.As(err, &name):
		return reasonTLS
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &deadline) && deadline.Timeout():
		return reasonTimeout
	case errors.As(err, &dns):
		return reasonName
	}
	return reasonBroken
}
