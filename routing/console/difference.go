package console

import "strings"

// diffLine is one line of a comparison: "-" only before, "+" only after, " " both,
// "…" left out.
type diffLine struct {
	Sign string
	Text string
	Line int // in the later text, from 1; in the earlier one for "-"
}

// mostDiff bounds the table of a comparison; beyond it what differs in the middle
// is shown as gone and come whole.
const mostDiff = 4_000_000

// difference compares two texts line by line and keeps a few lines around what
// changed; around < 0 keeps all.
func difference(before, after string, around int) []diffLine {
	a, b := strings.Split(before, "\n"), strings.Split(after, "\n")
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	out := make([]diffLine, 0, len(b)+16)
	for i := range head {
		out = append(out, diffLine{" ", b[i], i + 1})
	}
	out = append(out, middle(a[head:len(a)-tail], b[head:len(b)-tail], head)...)
	for i := len(b) - tail; i < len(b); i++ {
		out = append(out, diffLine{" ", b[i], i + 1})
	}
	if around < 0 {
		return out
	}
	return near(out, around)
}

// middle compares what has no lines in common at its ends, by the longest common
// subsequence.
func middle(a, b []string, at int) []diffLine {
	n, m := len(a), len(b)
	var out []diffLine
	if n*m > mostDiff {
		for i, s := range a {
			out = append(out, diffLine{"-", s, at + i + 1})
		}
		for j, s := range b {
			out = append(out, diffLine{"+", s, at + j + 1})
		}
		return out
	}
	long := make([]int32, (n+1)*(m+1))
	for i := n - 1; i >= 0; i-- {
		for j := m - 1; j >= 0; j-- {
			k := i*(m+1) + j
			if a[i] == b[j] {
				long[k] = long[k+m+2] + 1
			} else {
				long[k] = max(long[k+m+1], long[k+1])
			}
		}
	}
	i, j := 0, 0
	for i < n || j < m {
		switch {
		case i < n && j < m && a[i] == b[j]:
			out = append(out, diffLine{" ", b[j], at + j + 1})
			i, j = i+1, j+1
		case j == m || i < n && long[(i+1)*(m+1)+j] >= long[i*(m+1)+j+1]:
			out = append(out, diffLine{"-", a[i], at + i + 1})
			i++
		default:
			out = append(out, diffLine{"+", b[j], at + j + 1})
			j++
		}
	}
	return out
}

// near leaves out lines that are further than so many from a change.
func near(all []diffLine, around int) []diffLine {
	keep := make([]bool, len(all))
	for i, l := range all {
		if l.Sign == " " {
			continue
		}
		for k := max(0, i-around); k <= min(len(all)-1, i+around); k++ {
			keep[k] = true
		}
	}
	var out []diffLine
	for i, l := range all {
		switch {
		case keep[i]:
			out = append(out, l)
		case i > 0 && keep[i-1]:
			out = append(out, diffLine{"…", "", 0})
		}
	}
	if k := len(out); k > 0 && out[k-1].Sign == "…" {
		out = out[:k-1]
	}
	return out
}
