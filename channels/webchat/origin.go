package webchat

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// origins is the list of sites that may talk to the chat and embed it.
type origins struct {
	own     []string // our own, under each of its names
	foreign []string
	noneOK  bool
}

// newOrigins reads our own origin from the public URL. A server on the loopback
// interface goes by all names of that interface.
func newOrigins(public string, foreign []string, noneOK bool) origins {
	o := origins{noneOK: noneOK}
	for _, f := range foreign {
		o.foreign = append(o.foreign, canonicalOrigin(f))
	}
	u, err := url.Parse(public)
	if err != nil || u.Host == "" {
		return o
	}
	o.own = append(o.own, canonicalOrigin(public))
	if loopback(u.Hostname()) {
		port := ""
		if u.Port() != "" {
			port = ":" + u.Port()
		}
		for _, host := range []string{"localhost", "127.0.0.1", "[::1]"} {
			if name := canonicalOrigin(u.Scheme + "://" + host + port); name != o.own[0] {
				o.own = append(o.own, name)
			}
		}
	}
	return o
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// canonicalOrigin returns scheme and host of a URL in small letters, without the
// scheme's own port; "" for what is no origin.
func canonicalOrigin(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return ""
	}
	host := strings.ToLower(u.Host)
	if p := u.Port(); p == "443" && u.Scheme == "https" || p == "80" && u.Scheme == "http" {
		host = strings.TrimSuffix(host, ":"+p)
	}
	return u.Scheme + "://" + host
}

// allow says whether a request may come from where it says it does. Only the
// list counts, never the Host header: a proxy may rewrite that (W6).
func (o origins) allow(r *http.Request) bool {
	values := r.Header.Values("Origin")
	if len(values) == 0 {
		return o.noneOK
	}
	got := canonicalOrigin(values[0])
	// An origin has no path; a header with one was not written by a browser.
	if got == "" || len(values) > 1 || strings.Count(values[0], "/") != 2 {
		return false
	}
	return slices.Contains(o.own, got) || slices.Contains(o.foreign, got)
}

// all returns every origin that may embed the frame.
func (o origins) all() []string { return slices.Concat(o.own, o.foreign) }

// proxies are the networks whose forwarding headers are believed.
type proxies []netip.Prefix

func (p proxies) trusts(a netip.Addr) bool {
	for _, n := range p {
		if n.Contains(a) {
			return true
		}
	}
	return false
}

// client returns the key under which a request's sender is counted: the nearest
// address that is not a trusted proxy's. An IPv6 customer owns a whole /64.
func (p proxies) client(r *http.Request) string {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return "unknown"
	}
	a := at.Addr().Unmap()
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && p.trusts(a); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		a = hop.Unmap()
	}
	if a.Is6() {
		return netip.PrefixFrom(a.WithZone(""), 64).Masked().String()
	}
	return a.String()
}
