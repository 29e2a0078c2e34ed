package render

import (
	"strconv"
	"strings"
	"time"
)

// calendar is how a language writes days. The words are those of CLDR, which
// x/text does not offer; months stand in the case that they have behind a day.
type calendar struct {
	months, weekdays []string // from January, from Sunday
	short            func(t time.Time, months []string) string
	dot              string   // behind the day and the year
	day              []string // forms of "day", as the language counts
}

func dotted(layout string) func(time.Time, []string) string {
	return func(t time.Time, _ []string) string { return t.Format(layout) }
}

// calendars are by language, and by language and script where it has two.
var calendars = map[string]*calendar{
	"en": {
		months:   strings.Fields("January February March April May June July August September October November December"),
		weekdays: strings.Fields("Sunday Monday Tuesday Wednesday Thursday Friday Saturday"),
		short: func(t time.Time, months []string) string { // 12/03 is December to half of those who read English
			return strconv.Itoa(t.Day()) + " " + months[t.Month()-1][:3] + " " + strconv.Itoa(t.Year())
		},
		day: []string{"day", "days"},
	},
	"ru": {
		months:   strings.Fields("января февраля марта апреля мая июня июля августа сентября октября ноября декабря"),
		weekdays: strings.Fields("воскресенье понедельник вторник среда четверг пятница суббота"),
		short:    dotted("02.01.2006"),
		day:      []string{"день", "дня", "дней"},
	},
	"uk": {
		months:   strings.Fields("січня лютого березня квітня травня червня липня серпня вересня жовтня листопада грудня"),
		weekdays: strings.Fields("неділя понеділок вівторок середа четвер п’ятниця субота"),
		short:    dotted("02.01.2006"),
		day:      []string{"день", "дні", "днів"},
	},
	"sr": {
		months:   strings.Fields("januara februara marta aprila maja juna jula avgusta septembra oktobra novembra decembra"),
		weekdays: strings.Fields("nedelja ponedeljak utorak sreda četvrtak petak subota"),
		short:    dotted("2.1.2006."), dot: ".",
		day: []string{"dan", "dana", "dana"},
	},
	"sr-Cyrl": {
		months:   strings.Fields("јануара фебруара марта априла маја јуна јула августа септембра октобра новембра децембра"),
		weekdays: strings.Fields("недеља понедељак уторак среда четвртак петак субота"),
		short:    dotted("2.1.2006."), dot: ".",
		day: []string{"дан", "дана", "дана"},
	},
}

// moment writes a time in one of the shapes of its kind.
func (l *locale) moment(t time.Time, shape string) string {
	if shape == "time" {
		return t.Format("15:04")
	}
	c := l.days
	if c == nil {
		return t.Format(time.DateOnly)
	}
	day := strconv.Itoa(t.Day()) + c.dot + " " + c.months[t.Month()-1]
	switch shape {
	case "short":
		return c.short(t, c.months)
	case "day":
		return c.weekdays[t.Weekday()] + ", " + day
	}
	return day + " " + strconv.Itoa(t.Year()) + c.dot
}
