package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"casewire/channels/telegram/sandbox"
)

// wisher is a customer with a phone and a chat with the bot, and the operators' side
// of their case.
type wisher struct {
	*centre
	api    caller
	phone  string
	chat   int64
	number string
}

// Wherever the customer, or an operator for them, says how they want to be told,
// the next notice goes there and so: by the page, by the bot, by the desk. The
// page's link is in no line of the log.
func TestEachDoorsWishIsHonoured(t *testing.T) {
	c := &wisher{centre: openCentre(t), phone: "+447700900177", chat: 70010099}
	c.api = caller{t: t, url: c.url, token: c.file.APIToken}
	c.world.Telegram.Join(sandbox.Person{ID: c.chat, First: "Grace", Lang: "en"})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()

	c.texts(ctx, "The screen of my Galaxy S24 is cracked")
	c.api.wants(http.StatusOK, http.MethodPost, "/cases/"+c.number+"/claim", nil)
	link := c.api.wants(http.StatusOK, http.MethodPost, "/cases/"+c.number+"/link", nil)
	u, err := url.Parse(fmt.Sprint(link["url"]))
	c.must(err)
	c.world.Telegram.Start(c.chat, u.Query().Get("start"))
	c.tells(ctx, "now belongs to case "+c.number)

	c.moves("diagnosing")
	c.tells(ctx, "looking for the fault")

	// On the page: by SMS, in Russian.
	path := c.page()
	sms := c.ref(path, "SMS")
	c.posts(path+"/where", url.Values{"at": {sms}})
	c.posts(path+"/language", url.Values{"lang": {"ru"}})
	c.moves("in_repair")
	c.must(c.world.SMS.Received(ctx, c.phone, "Ремонт начат", 1))

	// By the bot: here, in Ukrainian.
	c.world.Telegram.Say(c.chat, "/channel")
	c.presses(ctx, "Telegram")
	c.tells(ctx, "Теперь в первую очередь пишем сюда: Telegram")
	c.world.Telegram.Say(c.chat, "/language")
	c.presses(ctx, "Українська")
	c.tells(ctx, "Відтепер пишемо вам українською")
	c.moves("ready")
	told := c.tells(ctx, c.url+"/c/")
	if !strings.Contains(told, "Що зроблено: ") {
		t.Errorf("told in another language: %q", told)
	}
	if got := regexp.MustCompile(regexp.QuoteMeta(c.url) + `(/c/[\w-]+)`).FindStringSubmatch(told); got == nil || got[1] != path {
		t.Errorf("the notice leads to %q, not to the page", got)
	}

	// At the desk: not in the chat any more, so by the next address, in Serbian.
	k := c.api.wants(http.StatusOK, http.MethodGet, "/cases/"+c.number, nil)
	who := k["customer"].(map[string]any)
	var chat string
	for _, a := range who["addresses"].([]any) {
		if a := a.(map[string]any); a["kind"] == "telegram" {
			chat = fmt.Sprint(a["id"])
		}
	}
	c.api.wants(http.StatusOK, http.MethodPost, "/cases/"+c.number+"/addresses/"+chat+"/opt-out", map[string]any{"reason": "asked on the phone"})
	c.api.wants(http.StatusOK, http.MethodPatch, "/customers/"+fmt.Sprint(who["id"]), map[string]any{"lang": "sr"})
	before := len(c.world.Telegram.Chat(c.chat))
	c.moves("issued")
	c.must(c.world.SMS.Received(ctx, c.phone, "Hvala", 1))
	if now := c.world.Telegram.Chat(c.chat); len(now) != before {
		t.Errorf("told in the chat all the same: %q", now[len(now)-1].Text)
	}
	if p := c.gets(path); !strings.Contains(p, "Zamolili ste da ovde ne pišemo.") {
		t.Error("the page does not tell of the wish")
	}

	want := []string{
		"bound >telegram", "preferred telegram>sms", "language >ru", "preferred sms>telegram", "language ru>uk", "opted_out >telegram", "language uk>sr",
	}
	if got := c.wishes(); !slices.Equal(got, want) {
		t.Errorf("the timeline has %q, want %q", got, want)
	}

	c.api.wants(http.StatusOK, http.MethodPost, "/cases/"+c.number+"/page", nil)
	resp, err := once.Get(c.url + path)
	c.must(err)
	resp.Body.Close()
	if resp.StatusCode != http.StatusNotFound {
		t.Errorf("the old link opens the page: %d", resp.StatusCode)
	}
	if token := strings.TrimPrefix(path, "/c/"); len(token) < 16 || strings.Contains(c.said.String(), token) {
		t.Error("the log has the link")
	}
}

// texts writes from the phone and learns the number of the case from the receipt.
func (c *wisher) texts(ctx context.Context, words string) {
	c.t.Helper()
	sid, err := c.world.SMS.Text(c.phone, c.world.SMS.Numbers()[0], words)
	c.must(err)
	c.must(c.world.SMS.Await(ctx, sid))
	c.must(c.world.SMS.Received(ctx, c.phone, "CW-", 1))
	for _, b := range c.world.SMS.Phone(c.phone) {
		if found := regexp.MustCompile(`CW-\d+`).FindString(b.Text); found != "" {
			c.number = found
		}
	}
}

// page is the path of the case's own page.
func (c *wisher) page() string {
	c.t.Helper()
	out := c.api.wants(http.StatusOK, http.MethodGet, "/cases/"+c.number+"/page", nil)
	return strings.TrimPrefix(fmt.Sprint(out["url"]), c.url)
}

// moves gives the case a status and has what is told of it go out at once.
func (c *wisher) moves(to string) {
	c.t.Helper()
	for {
		k := c.api.wants(http.StatusOK, http.MethodGet, "/cases/"+c.number, nil)
		code, out := c.api.asks(http.MethodPost, "/cases/"+c.number+"/status", map[string]any{"to": to}, "If-Match", fmt.Sprint(k["etag"]))
		if code == http.StatusOK {
			break
		}
		if code != http.StatusPreconditionFailed {
			c.t.Fatalf("move to %s: %d %v", to, code, out)
		}
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		out := c.api.wants(http.StatusOK, http.MethodGet, "/notices?case="+c.number, nil)
		for _, i := range out["items"].([]any) {
			n := i.(map[string]any)
			if n["state"] == "held" {
				c.api.wants(http.StatusOK, http.MethodPost, "/notices/"+fmt.Sprint(n["id"])+"/send", nil)
				return
			}
		}
		select {
		case <-tick.C:
		case <-c.t.Context().Done():
			c.t.Fatal("nothing is told of " + to)
		}
	}
}

// tells waits until the bot says something with one of these words in it.
func (c *wisher) tells(ctx context.Context, words ...string) string {
	c.t.Helper()
	hints := c.world.Telegram.Watch(ctx, c.chat)
	for {
		for _, b := range slices.Backward(c.world.Telegram.Chat(c.chat)) {
			if !b.Mine && slices.ContainsFunc(words, func(w string) bool { return strings.Contains(b.Text, w) }) {
				return b.Text
			}
		}
		select {
		case <-hints:
		case <-ctx.Done():
			c.t.Fatalf("the bot does not say %q: %+v", words, c.world.Telegram.Chat(c.chat))
		}
	}
}

// presses waits for a button that begins so and presses it.
func (c *wisher) presses(ctx context.Context, label string) {
	c.t.Helper()
	hints := c.world.Telegram.Watch(ctx, c.chat)
	for {
		for _, b := range slices.Backward(c.world.Telegram.Chat(c.chat)) {
			for _, row := range b.Buttons {
				for _, o := range row {
					if strings.HasPrefix(o.Label, label) {
						c.must(c.world.Telegram.Press(c.chat, b.ID, o.Data))
						return
					}
				}
			}
		}
		select {
		case <-hints:
		case <-ctx.Done():
			c.t.Fatalf("no button %q", label)
		}
	}
}

func (c *wisher) gets(path string) string {
	c.t.Helper()
	resp, err := once.Get(c.url + path)
	c.must(err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	c.must(err)
	if resp.StatusCode != http.StatusOK {
		c.t.Fatalf("the page answers %d", resp.StatusCode)
	}
	return string(b)
}

// ref is by what the page names an address of this kind.
func (c *wisher) ref(path, kind string) string {
	c.t.Helper()
	found := regexp.MustCompile(`name="at" value="([\w-]+)">[^<]*<span class="quiet">: ` + kind).FindStringSubmatch(c.gets(path + "?lang=en"))
	if found == nil {
		c.t.Fatalf("the page has no %s", kind)
	}
	return found[1]
}

func (c *wisher) posts(path string, form url.Values) {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, c.url+path, strings.NewReader(form.Encode()))
	c.must(err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", "null") // as browsers send it from a page without referrers
	resp, err := once.Do(r)
	c.must(err)
	resp.Body.Close()
	if resp.StatusCode != http.StatusSeeOther && resp.StatusCode != http.StatusOK {
		c.t.Fatalf("POST %s: %d", path[strings.LastIndexByte(path, '/'):], resp.StatusCode)
	}
}

// wishes lists what the timeline tells of the customer's wishes.
func (c *wisher) wishes() (out []string) {
	c.t.Helper()
	list := c.api.wants(http.StatusOK, http.MethodGet, "/cases/"+c.number+"/timeline?limit=200", nil)
	for _, i := range list["items"].([]any) {
		e := i.(map[string]any)
		switch e["kind"] {
		case "bound", "preferred", "language", "opted_out", "opted_in":
			from, to := e["from"], e["to"]
			if from == nil {
				from = ""
			}
			if to == nil {
				to = ""
			}
			out = append(out, fmt.Sprintf("%v %v>%v", e["kind"], from, to))
		}
	}
	return out
}
