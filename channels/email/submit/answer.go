package submit

import (
	"regexp"
	"strings"
)

var (
	sesHost   = regexp.MustCompile(`^email-smtp(?:-fips)?\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?$`)
	sesAnswer = regexp.MustCompile(`(?i)^(?:2\.\d+\.\d+ )?ok:? ([0-9a-f]{16}-[0-9a-f]{8}-[0-9a-f-]{20,40})\s*$`)
	namedID   = regexp.MustCompile(`<([^<>\s@]{1,150}@[^<>\s@]{1,90})>`)
)

const sesHome = "us-east-1" // whose Message-IDs name no region

// refsIn returns the Message-IDs that the server says it gave to the mail. Amazon
// SES replaces ours with one made of what it answers; Exchange names it outright.
func refsIn(answer, host string) []string {
	var refs []string
	if m := sesAnswer.FindStringSubmatch(answer); m != nil {
		refs = append(refs, m[1]+"@email.amazonses.com")
		if region := sesHost.FindStringSubmatch(strings.ToLower(host)); region != nil && region[1] != sesHome {
			refs = append(refs, m[1]+"@"+region[1]+".amazonses.com")
		}
	}
	for _, m := range namedID.FindAllStringSubmatch(answer, 2) {
		if isID(m[1]) {
			refs = append(refs, m[1])
		}
	}
	return refs
}

var (
	addressShape = regexp.MustCompile(`<[^<>]*>|[^\s<>()\[\],;:"]+@[^\s<>()\[\],;:"]+`)
	spaces       = regexp.MustCompile(`\s+`)
)

const maxAnswer = 200

// sanitise makes what a server said fit for logs: one line without addresses.
func sanitise(text string) string {
	text = spaces.ReplaceAllString(clean(text), " ")
	text = addressShape.ReplaceAllString(text, "(address)")
	if len(text) > maxAnswer {
		text = strings.ToValidUTF8(text[:maxAnswer], "") + "…"
	}
	return strings.TrimSpace(text)
}
