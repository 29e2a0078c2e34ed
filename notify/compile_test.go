package notify_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"casewire/casecore/flow"
	"casewire/casecore/lang"
	"casewire/notify"
)

// Everything that is wrong is said at once, each with its place and the mend.
func TestCompileFindsEveryFault(t *testing.T) {
	f, err := flow.Compile(flow.Spec{Initial: "new", Reopen: "new", Statuses: []flow.Status{
		{ID: "new", Name: lang.Text{"en": "New"}, Category: flow.New, Notice: "raedy"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = notify.Compile(notify.Spec{
		Templates: []notify.Template{
			{ID: "ready", Text: lang.Text{"en": "{{case}}", "uk": "Готово,\n{{кейс}}", "de": "x"}, Subject: lang.Text{"en": "{{case"}},
			{ID: "ready", Text: lang.Text{"en": "x"}},
			{Text: lang.Text{"ru": "x"}},
			{ID: "silent"},
		},
		Events: []notify.OnEvent{
			{Event: "open", Template: "ready"},
			{Event: "status", Template: "ready"},
			{Event: "opened", Template: "redy"},
			{Event: "claimed", Template: "silent"},
			{Event: "claimed", Template: "silent"},
			{Event: "reopened"},
			{Event: "claimed", Template: "silent", To: &notify.Recipient{Email: strings.Repeat("a", 244) + "@b.example"}},
			{Event: "claimed", Template: "silent", To: &notify.Recipient{Email: strings.Repeat("a", 245) + "@b.example"}},
			{Event: "opened", Template: "ready"},
			{Event: "opened", Template: "ready", To: &notify.Recipient{Email: "boss@b.example"}},
		},
	}, notify.CompileOptions{Flow: f, Lang: "en"})
	want := []string{
		`templates[0].text.de: "de" is no supported language; it is one of en, ru, uk, sr`,
		`templates[0].text.uk: line 2, column 1: no variable "кейс"; it is one of case, centre, customer, days, device, link, opened, operator, queue, since, status, subject or attr.…`,
		`templates[0].subject.en: line 1, column 1: {{ is not closed; write }} behind the variable's name`,
		`templates[0].subject: the text has language "de", the subject has not; add de to the subject, or leave the subject out`,
		`templates[0].subject: the text has language "uk", the subject has not; add uk to the subject, or leave the subject out`,
		`templates[1].id: "ready" is used twice; give each template an id of its own`,
		`templates[2].id: required; name the template, such as "ready"`,
		`templates[2].text: the default language "en" is missing; add it: it stands in for the languages that are not there`,
		`templates[3].text: required; write the text, at least in en`,
		`events[0].event: no event "open"; did you mean "opened"?`,
		`events[1].event: no event "status"; it is one of opened, reopened, claimed, asked, waiting, overdue; a status names its template itself, in notice`,
		`events[2].template: no template "redy"; did you mean "ready"?`,
		`events[4]: "silent" is sent twice on "claimed"; leave one of them out`,
		`events[5].template: required; name a template`,
		`events[7].to.email: "` + strings.Repeat("a", 245) + `@b.example" is no mail address; write it as boss@shop.example`,
		`events[8]: events[2] tells the same recipient of "opened" already; leave one of them out, or put both into one template`,
		`statuses[0].notice: no template "raedy"; did you mean "ready"?`,
	}
	got := strings.Split(err.Error(), "\n")
	for _, w := range want {
		if !slices.Contains(got, w) {
			t.Errorf("missing: %s", w)
		}
	}
	for _, g := range got {
		if !slices.Contains(want, g) {
			t.Errorf("not expected: %s", g)
		}
	}
	if _, ok := errors.AsType[*notify.Fault](err); !ok {
		t.Errorf("%T holds no *notify.Fault", err)
	}
}
