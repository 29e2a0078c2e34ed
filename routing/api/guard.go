package api

import (
	"fmt"
	"strconv"
	"strings"

	"casewire/casecore"
)

// etag writes a version as an entity tag.
func etag(version uint64) string { return fmt.Sprintf(`"v%d"`, version) }

// parseTag reads what etag wrote, behind the letter that says of what it is.
func parseTag(header, letter string) (uint64, *Problem) {
	s := strings.TrimPrefix(strings.TrimSpace(header), "W/")
	digits, ok := strings.CutPrefix(s, `"`+letter)
	digits, closed := strings.CutSuffix(digits, `"`)
	n, err := strconv.ParseUint(digits, 10, 63)
	if !ok || !closed || err != nil || n == 0 {
		return 0, invalid(parameter("If-Match", fmt.Sprintf(`write the ETag that came with the state, like "%s12" with its quotes`, letter)))
	}
	return n, nil
}

// versionIn reads an If-Match that may be left out: then it is 0, and any version
// is meant.
func versionIn(match string) (uint64, *Problem) {
	if match == "" {
		return 0, nil
	}
	return parseTag(match, "v")
}

// guard is what a change of a case says of the state it was made against: at
// least one of the two is needed.
func guard(match string, claimNo int64) (casecore.Guard, error) {
	g := casecore.Guard{ClaimNo: claimNo}
	if match != "" {
		v, p := parseTag(match, "v")
		if p != nil {
			return g, p
		}
		g.Version = v
	}
	if g == (casecore.Guard{}) {
		return g, problem("match_required", "send If-Match with the ETag of the case, or claim_no in the body")
	}
	return g, nil
}
