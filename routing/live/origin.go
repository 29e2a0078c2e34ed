package live

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// originAllowed says whether the page that asks may. A browser always names its
// origin, which must be on the list; who names none is a program, and must show
// a token that no browser sends by itself.
func originAllowed(r *http.Request, allowed []string, bearer bool) bool {
	values := r.Header.Values("Origin")
	switch len(values) {
	case 0:
		return bearer
	case 1:
		origin := canonical(values[0])
		return origin != "" && slices.ContainsFunc(allowed, func(a string) bool { return canonical(a) == origin })
	}
	return false
}

// canonical writes an origin as browsers do: lower case, no default port. What is
// not an origin becomes "", also "null".
func canonical(origin string) string {
	u, err := url.Parse(strings.ToLower(origin))
	if err != nil || u.Host == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" {
		return ""
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return ""
	}
	host, port, err := net.SplitHostPort(u.Host)
	if err == nil && (u.Scheme == "http" && port == "80" || u.Scheme == "https" && port == "443") {
		u.Host = host
		if strings.Contains(host, ":") {
			u.Host = "[" + host + "]"
		}
	}
	return u.Scheme + "://" + u.Host
}
