package mime

import "strings"

// unflow joins the lines that format=flowed broke (RFC 3676): a line that ends in
// a space goes on in the next one of the same quote depth.
func unflow(s string, delsp bool) string {
	var (
		b     strings.Builder
		first = true
		depth = -1 // of the line that goes on, -1 for none
	)
	for line := range strings.SplitSeq(s, "\n") {
		quotes := 0
		for quotes < len(line) && line[quotes] == '>' {
			quotes++
		}
		text := strings.TrimPrefix(line[quotes:], " ")
		signature := text == "-- "
		if depth != quotes || signature {
			if !first {
				b.WriteByte('\n')
			}
			b.WriteString(strings.Repeat(">", quotes))
			if quotes > 0 {
				b.WriteByte(' ')
			}
		}
		first = false
		depth = -1
		if strings.HasSuffix(text, " ") && !signature {
			depth = quotes
			if delsp {
				text = strings.TrimSuffix(text, " ")
			}
		}
		b.WriteString(text)
	}
	return b.String()
}
