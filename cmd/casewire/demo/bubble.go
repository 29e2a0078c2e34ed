package demo

import (
	"fmt"
	"strings"
	"time"
)

// bubbleView is one message on a phone.
type bubbleView struct {
	ID      string
	Mine    bool
	Kind    string
	Text    string
	Day     string // at the first message of a day
	Time    string
	At      time.Time
	Files   []fileView
	Buttons [][]buttonView
	Reply   string // beginning of the message that this one answers
	Edited  bool
	Taken   bool   // our side has it
	Answer  string // what pressing a button was answered with
	Parts   string // of a text message, in words
	State   string // of a message that is not there yet, or never will be
	Failed  bool
}

type buttonView struct{ Label, Value, URL string }

type fileView struct {
	Name, Size, URL string
	Picture, Voice  bool
}

// beginning is the first words of a text.
func beginning(text string) string {
	const most = 60
	text, _, _ = strings.Cut(text, "\n")
	if r := []rune(text); len(r) > most {
		return string(r[:most]) + "…"
	}
	return text
}

// days marks the first message of each day, and gives each its time.
func (v view) days(list []bubbleView) {
	last := ""
	for i := range list {
		at := list[i].At.Local()
		list[i].Time = at.Format("15:04")
		if day := v.day(at); day != last {
			list[i].Day, last = day, day
		}
	}
}

// day is a date as people of the page's language write it.
func (v view) day(at time.Time) string {
	today := time.Now()
	switch at.Format(time.DateOnly) {
	case today.Format(time.DateOnly):
		return v.W["today"]
	case today.AddDate(0, 0, -1).Format(time.DateOnly):
		return v.W["yesterday"]
	}
	month := calendar[v.Lang].months[at.Month()-1]
	if v.Lang == "sr" {
		return fmt.Sprintf("%d. %s", at.Day(), month)
	}
	return fmt.Sprintf("%d %s", at.Day(), month)
}
