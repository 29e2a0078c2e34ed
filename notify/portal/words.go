package portal

import (
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"time"

	"casewire/casecore/lang"
)

//go:embed words.json
var wordFiles embed.FS

//go:embed templates/*.html
var templateFiles embed.FS

// voice is one language with its templates.
type voice struct {
	tag   string
	words map[string]string
	pages *template.Template
}

func loadVoices(a *assets) (map[string]*voice, error) {
	b, err := wordFiles.ReadFile("words.json")
	if err != nil {
		return nil, err
	}
	var catalog map[string]map[string]string
	if err := json.Unmarshal(b, &catalog); err != nil {
		return nil, fmt.Errorf("words: %w", err)
	}
	out := map[string]*voice{}
	for _, tag := range lang.Supported {
		v := &voice{tag: tag, words: catalog[tag]}
		v.pages, err = template.New("").Funcs(template.FuncMap{
			"t": v.t, "lang": func() string { return v.htmlLang() }, "css": a.address,
		}).ParseFS(templateFiles, "templates/*.html")
		if err != nil {
			return nil, err
		}
		out[tag] = v
	}
	return out, nil
}

// htmlLang says which language, and for Serbian in which letters.
func (v *voice) htmlLang() string {
	if v.tag == "sr" {
		return "sr-Latn"
	}
	return v.tag
}

// t returns the words under key with {name} replaced by the values given as name,
// value, name, value.
func (v *voice) t(key string, values ...string) string {
	s := v.words[key]
	for i := 0; i+1 < len(values); i += 2 {
		s = strings.ReplaceAll(s, "{"+values[i]+"}", values[i+1])
	}
	return s
}

// stamp writes a time as people read it.
func (v *voice) stamp(t time.Time) string {
	months := strings.Fields(v.words["months"])
	return v.t("stamp", "day", strconv.Itoa(t.Day()), "month", months[t.Month()-1], "year", strconv.Itoa(t.Year()), "clock", t.Format("15:04"))
}
