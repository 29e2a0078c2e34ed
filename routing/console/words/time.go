package words

import (
	"fmt"
	"strings"
	"time"

	"casewire/casecore/lang"
)

// Span writes how long something lasts, in at most two units: "12 min",
// "2 h 10 min", "3 d 4 h". Less than a minute is "now".
func (l *Locale) Span(d time.Duration) string {
	d = max(d, -d)
	minutes := int64(d / time.Minute)
	switch {
	case minutes < 1:
		return l.T("span.now")
	case minutes < 60:
		return l.T("span.min", "n", minutes)
	case minutes < 24*60:
		return l.pair("span.h", minutes/60, "span.min", minutes%60)
	}
	hours := minutes / 60
	return l.pair("span.d", hours/24, "span.h", hours%24)
}

// Took writes how long something took, seconds included: "under 1 s", "12 s",
// "2 min".
func (l *Locale) Took(d time.Duration) string {
	switch seconds := int64(d.Round(time.Second) / time.Second); {
	case d < time.Second:
		return l.T("span.instant")
	case seconds < 60:
		return l.T("span.s", "n", seconds)
	}
	return l.Span(d)
}

// Brief is Span in its larger unit alone.
func (l *Locale) Brief(d time.Duration) string {
	switch d = max(d, -d); {
	case d >= 24*time.Hour:
		return l.T("span.d", "n", int64(d/(24*time.Hour)))
	case d >= time.Hour:
		return l.T("span.h", "n", int64(d/time.Hour))
	case d >= time.Minute:
		return l.T("span.min", "n", int64(d/time.Minute))
	}
	return l.T("span.min", "n", 0)
}

func (l *Locale) pair(big string, n int64, small string, m int64) string {
	s := l.T(big, "n", n)
	if m == 0 {
		return s
	}
	return s + " " + l.T(small, "n", m)
}

// Clock writes the time of day.
func (l *Locale) Clock(t time.Time) string { return t.Format("15:04") }

// Day writes the date of t, naming today and yesterday as such.
func (l *Locale) Day(t, now time.Time) string {
	switch dayNumber(now) - dayNumber(t) {
	case 0:
		return l.T("day.today")
	case 1:
		return l.T("day.yesterday")
	}
	s := l.weekday(t) + ", " + l.Date(t)
	if t.Year() != now.Year() {
		s += " " + l.year(t)
	}
	return s
}

// Stamp writes date and time in full, for reading on hover.
func (l *Locale) Stamp(t time.Time) string {
	return l.Date(t) + " " + l.year(t) + ", " + l.Clock(t)
}

// Short writes the time of day for today, else the date.
func (l *Locale) Short(t, now time.Time) string {
	if dayNumber(now) == dayNumber(t) {
		return l.Clock(t)
	}
	return l.Date(t)
}

// Date writes the day and the month.
func (l *Locale) Date(t time.Time) string { return l.numbered(t, "day.months") }

// ShortDate writes the day and the month in few letters.
func (l *Locale) ShortDate(t time.Time) string { return l.numbered(t, "day.months_short") }

func dayNumber(t time.Time) int64 {
	y, m, d := t.Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / (24 * 60 * 60)
}

func (l *Locale) weekday(t time.Time) string {
	return nth(l.T("day.weekdays"), int(t.Weekday()))
}

// numbered writes the day and the month's name from a list in the catalog.
func (l *Locale) numbered(t time.Time, months string) string {
	month := nth(l.T(months), int(t.Month())-1)
	if lang.Base(l.tag) == "sr" {
		return fmt.Sprintf("%d. %s", t.Day(), month)
	}
	return fmt.Sprintf("%d %s", t.Day(), month)
}

func (l *Locale) year(t time.Time) string {
	if lang.Base(l.tag) == "sr" {
		return t.Format("2006.")
	}
	return t.Format("2006")
}

// nth returns one word of a list that the catalog writes in one line.
func nth(list string, i int) string {
	words := strings.Fields(list)
	if i < 0 || i >= len(words) {
		return ""
	}
	return words[i]
}
