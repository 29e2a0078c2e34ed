package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"casewire/casecore"
)

// browserStory: a visitor writes, two operators see that somebody waits and nothing of what was
// written, one of them takes the case, answers and repairs, and the visitor is
// told, once, whatever happens to the connection.
func browserStory(t *testing.T, c *centre, web *chromium) {
	const canary = "канареечный7731"
	c.employ("petro", "Петро Лисенко", "phones")
	olena, petro, visitor := web.operator(c, "olena"), web.operator(c, "petro"), web.visitor(c, "ru")

	olena.signsIn()
	petro.signsIn()
	for _, o := range []*operatorTab{olena, petro} {
		o.opens("/desk/?queue=phones")
		o.isLive()
		reads[bool](o.page, `window.neverLeft = true`)
	}

	// The visitor writes.
	visitor.opensChat()
	visitor.writes("Телефон не включается, на чехле написано " + canary)
	number := visitor.number()
	visitor.readsLine(".auto", "Номер обращения: "+number)

	// Both operators see a card appear, and nobody has a word of it.
	for _, o := range []*operatorTab{olena, petro} {
		o.sees(`$("#card-`+number+` .card-queue").textContent === "Phones and tablets"`, `window.neverLeft`)
		o.knowsNothingOf(canary)
	}

	// Petro is curious: the case's own address tells no more than the card.
	curious := petro.peeks(web, number)
	curious.says("h1", number+" is waiting")
	petro.knowsNothingOf(canary)

	// Olena takes it by the keyboard and reads. The card leaves Petro's board.
	olena.claims(number)
	olena.sees(`$("#talk").textContent.includes("` + canary + `")`)
	petro.sees(`!$("#card-`+number+`")`, `window.neverLeft`)
	petro.knowsNothingOf(canary)
	if inFrame, inBody := olena.wire.heard(canary); !inFrame || !inBody {
		t.Errorf("nobody listened in on olena's pages (frames %t, documents %t): what they did not hear proves nothing", inFrame, inBody)
	}

	// She answers, the visitor reads it as it comes, and she sees that they have.
	const answer = "Здравствуйте! Приносите, посмотрим при вас."
	olena.answers(answer)
	visitor.readsLine(".operator", answer)
	olena.seesRead(answer)

	// Only the flow's moves are offered. "Repaired, ready for pickup" tells the
	// visitor in their language.
	olena.isOffered(c.moves("accepted"))
	const notice = "ремонт завершён, можно забирать"
	const ready = `$$(".move-ask").find(d => d.querySelector(".move-name").textContent === "Repaired, ready for pickup")`
	olena.clicks(ready + `.querySelector("summary")`)
	olena.sees(ready + `.querySelector(".move-text").textContent.includes("` + notice + `")`)
	olena.clicks(ready + `.querySelector("button")`)
	visitor.readsLine(".status", notice)
	visitor.sees(`chat.getElementById("status").textContent === "Отремонтировано, можно забирать"`)
	olena.says(".case-line .status", "Repaired, ready for pickup")
	olena.seesRead(notice)

	// After a reload everything is there once and in order.
	before := visitor.lines()
	visitor.opensChat()
	visitor.sees(fmt.Sprintf(`$$("#lines li", chat).length === %d`, len(before)))
	if got := visitor.lines(); !slices.Equal(got, before) {
		t.Errorf("before the reload:\n%s\nafter it:\n%s", strings.Join(before, "\n"), strings.Join(got, "\n"))
	}
	if want := []string{canary, number, answer, notice}; !inOrder(before, want) {
		t.Errorf("the conversation is\n%s\nwant lines with %q", strings.Join(before, "\n"), want)
	}

	// In a tunnel the visitor writes on, and it arrives once.
	const late = "Спасибо, зайду в субботу"
	visitor.goesOffline()
	visitor.writes(late)
	visitor.sees(`chat.body.innerText.includes("Уйдёт, когда появится связь")`)
	visitor.comesBack()
	visitor.sees(`!chat.body.innerText.includes("Уйдёт, когда появится связь")`, `$$("#lines .mine", chat).at(-1).querySelector(".tick")`)
	visitor.opensChat()
	visitor.readsLine(".mine", late)
	olena.sees(`$("#talk").textContent.includes("` + late + `")`)
	once := func(line string) bool { return line == late }
	if n := count(visitor.lines(), once); n != 1 {
		t.Errorf("the visitor's own page shows the late message %d times", n)
	}
	if n := count(reads[[]string](olena.page, `$$(".message.is-in .message-text").map(m => m.textContent)`), once); n != 1 {
		t.Errorf("the case shows the late message %d times", n)
	}

	petro.knowsNothingOf(canary)
	if strings.Contains(c.said.String(), canary) {
		t.Error("the log has the visitor's words")
	}
}

// knowsNothingOf says that neither the page nor anything that the server ever
// told this operator contains these words.
func (o *operatorTab) knowsNothingOf(words string) {
	o.t.Helper()
	if frames, bodies := o.wire.counts(); frames == 0 || bodies == 0 {
		o.t.Fatalf("%d frames and %d documents of %s were overheard: none is not enough", frames, bodies, o.who)
	}
	inFrame, inBody := o.wire.heard(words)
	if inFrame || inBody || strings.Contains(o.html(), words) {
		o.t.Errorf("the customer's words reached %s before the claim (frames %t, documents %t)", o.who, inFrame, inBody)
	}
}

// peeks opens a case in another tab before anybody has claimed it.
func (o *operatorTab) peeks(web *chromium, number string) *page {
	o.t.Helper()
	p := web.another(o.page)
	p.forgive("answer 403 " + o.at.url + "/desk/cases/" + number)
	p.goes(o.at.url + "/desk/cases/" + number)
	return p
}

// seesRead waits until the case says that the customer has read this.
func (o *operatorTab) seesRead(text string) {
	o.t.Helper()
	o.sees(fmt.Sprintf(`$$(".message.is-out").find(m => m.textContent.includes(%q))?.querySelector(".delivery.is-green summary")?.textContent.trim() === "Read"`, text))
}

// moves are the statuses that the flow allows an operator from this one.
func (c *centre) moves(from string) (ids []string) {
	for _, m := range c.app.Flow().Moves(from, []string{casecore.RoleOperator}, nil) {
		ids = append(ids, m.Status.ID)
	}
	return ids
}

// isOffered compares the page's buttons with the flow.
func (o *operatorTab) isOffered(want []string) {
	o.t.Helper()
	got := reads[[]string](o.page, `$$(".moves button[name=to]").map(b => b.value)`)
	if !slices.Equal(got, want) {
		o.t.Errorf("buttons for %q, the flow allows %q", got, want)
	}
}

// inOrder says that the lines contain the words, one line each, in that order.
func inOrder(lines, words []string) bool {
	for _, l := range lines {
		if len(words) > 0 && strings.Contains(l, words[0]) {
			words = words[1:]
		}
	}
	return len(words) == 0
}

func count[T any](all []T, what func(T) bool) (n int) {
	for _, v := range all {
		if what(v) {
			n++
		}
	}
	return n
}
