package tag

import (
	"encoding/hex"
	"strings"
)

// parseUUID reads a UUID in the one form in which ids are written.
func parseUUID(s string) ([]byte, bool) {
	if len(s) != 36 || strings.ToLower(s) != s {
		return nil, false
	}
	b, err := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
	if err != nil || len(b) != 16 || formatUUID(b) != s {
		return nil, false
	}
	return b, true
}

func formatUUID(b []byte) string {
	h := hex.EncodeToString(b)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
