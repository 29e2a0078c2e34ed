package bot

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"casewire/casecore"
	"casewire/casecore/lang"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/routing/intake"
)

//go:embed words.json
var files embed.FS

func catalog() (map[string]map[string]string, error) {
	b, err := files.ReadFile("words.json")
	if err != nil {
		return nil, fmt.Errorf("words of the bot: %w", err)
	}
	var out map[string]map[string]string
	if err := json.Unmarshal(b, &out); err != nil {
		return nil, fmt.Errorf("words of the bot: %w", err)
	}
	return out, nil
}

// do answers one command.
type do func(ctx context.Context) (*channels.Body, error)

// commands are the words that are commands when a message says nothing else,
// lower case, without the slash that bots want.
var commands = map[string]string{
	"start": "start", "help": "start", "settings": "start", "stop": "stop", "menu": "start", "меню": "start", "meni": "start",
	"status": "my", "repairs": "my", "my repairs": "my", "статус": "my", "мои ремонты": "my", "мої ремонти": "my", "moje popravke": "my", "моје поправке": "my",
	"new": "new", "new repair": "new", "новый ремонт": "new", "новий ремонт": "new", "nova popravka": "new", "нова поправка": "new",
	"person": "ask", "operator": "ask", "оператор": "ask",
	"channel": "where", "where to write": "where", "канал": "where", "куда писать": "where", "куди писати": "where", "kanal": "where", "gde da pišete": "where", "канал за поруке": "where",
	"language": "lang", "язык": "lang", "мова": "lang", "jezik": "lang", "језик": "lang",
}

// mayAsk says that a message may be meant for the bot, by its words alone.
func mayAsk(m channels.Inbound) bool {
	if m.Facts["start"] != "" || m.Facts["button"] != "" || number(m.Body.Text) > 0 {
		return true
	}
	if _, ok := lang.ParseCaseNumber(m.Body.Text); ok {
		return true
	}
	word, _ := commandWord(m.Body.Text)
	word, _ = numbered(word)
	return commands[word] != ""
}

// commandWord is a text as commands are written, and whether it had the slash that
// bots want.
func commandWord(text string) (word string, slash bool) {
	const longest = 100 // bytes; no command is half as long
	if text = strings.TrimSpace(text); len(text) > longest {
		return "", false
	}
	text, slash = strings.CutPrefix(text, "/")
	if slash {
		text, _, _ = strings.Cut(text, "@") // a group's way to name the bot
	}
	return strings.ToLower(strings.Join(strings.FieldsFunc(text, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsPunct(r)
	}), " ")), slash
}

// chosen returns what the message asks for, or nil for one that asks nothing of
// the bot.
func (t *turn) chosen() do {
	if token := t.in.Facts["start"]; token != "" {
		return func(ctx context.Context) (*channels.Body, error) { return t.bind(ctx, token) }
	}
	if data := t.in.Facts["button"]; data != "" {
		return t.pressed(data)
	}
	if n := number(t.in.Body.Text); n > 0 && n <= len(t.offer) {
		return t.pressed(t.offer[n-1].Data)
	}
	word, slash := commandWord(t.in.Body.Text)
	if n, ok := lang.ParseCaseNumber(t.in.Body.Text); ok {
		return t.one(n)
	}
	word, n := numbered(word)
	name, ok := commands[word]
	switch {
	case !ok, name != "my" && !slash && !t.in.From.Kind.Buttons():
		return nil // a bare "new" in an SMS may be anything
	case name == "stop" && !slash:
		return nil // it may be about the repair
	}
	if n > 0 {
		return t.nth(name, n)
	}
	return t.pressed(name)
}

// numbered cuts the number of a choice off a command: "channel 2".
func numbered(word string) (string, int) {
	if i := strings.LastIndexByte(word, ' '); i > 0 {
		if n := number(word[i:]); n > 0 {
			return word[:i], n
		}
	}
	return word, 0
}

// nth returns what the n-th choice of a command's answer asks for, or nil for a
// command without choices.
func (t *turn) nth(name string, n int) do {
	if name != "lang" && name != "where" {
		return nil
	}
	return func(ctx context.Context) (*channels.Body, error) {
		out, err := t.pressed(name)(ctx)
		if err != nil || n > len(out.Buttons) {
			return out, err
		}
		return t.pressed(out.Buttons[n-1].Data)(ctx)
	}
}

// number reads the number of a choice, 0 for what is none.
func number(text string) int {
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil || n < 1 || n > 9 {
		return 0
	}
	return n
}

// pressed returns what a button asks for, or nil for one that is not the bot's.
func (t *turn) pressed(data string) do {
	verb, rest, _ := strings.Cut(data, "|")
	switch verb {
	case "start":
		return t.hello
	case "stop":
		return t.stop
	case "my":
		return t.list
	case "new":
		return t.fresh
	case "ask":
		return func(context.Context) (*channels.Body, error) { return t.say("person"), nil }
	case "lang":
		if rest == "" {
			return func(context.Context) (*channels.Body, error) { return t.languages(), nil }
		}
		return func(ctx context.Context) (*channels.Body, error) { return t.speak(ctx, rest) }
	case "where":
		if rest == "" {
			return t.places
		}
		return func(ctx context.Context) (*channels.Body, error) { return t.reside(ctx, rest) }
	case "case":
		if n, ok := lang.ParseCaseNumber(rest); ok {
			return t.one(n)
		}
	case "file":
		if message, to, ok := strings.Cut(rest, "|"); ok {
			return func(ctx context.Context) (*channels.Body, error) { return t.file(ctx, message, to) }
		}
	}
	return nil
}

func (t *turn) list(ctx context.Context) (*channels.Body, error) {
	cases, err := t.cases(ctx)
	if err != nil {
		return nil, err
	}
	if len(cases) == 0 {
		return t.say("none"), nil
	}
	out := t.say("list")
	for _, c := range cases {
		out.Text += "\n\n" + t.line(c)
		if t.in.From.Kind.Buttons() && len(cases) > 1 {
			out.Buttons = append(out.Buttons, channels.Button{Label: intake.Label(c), Data: "case|" + c.CaseNumber()})
		}
	}
	return out, nil
}

// line says how a case stands.
func (t *turn) line(c *casecore.Case) string {
	status := t.ledger.Flow().Status(c.Status).Label(t.lang)
	return t.say("one", "{label}", intake.Label(c), "{status}", status, "{date}", c.StatusAt.In(t.o.Zone()).Format("02.01.2006")).Text
}

// one tells of a single case, if it is the customer's.
func (t *turn) one(n int64) do {
	return func(ctx context.Context) (*channels.Body, error) {
		var c *casecore.Case
		err := t.store.View(ctx, func(tx store.Tx) (err error) {
			c, err = casecore.Cases.Find(tx, "number", store.NumberKey(n))
			return err
		})
		if errors.Is(err, store.ErrNotFound) || err == nil && (t.who == nil || c.Customer != t.who.ID) {
			return t.say("none"), nil // the same for a stranger's case: nobody learns which numbers exist
		}
		if err != nil {
			return nil, err
		}
		return &channels.Body{Text: t.line(c), Lang: t.lang}, nil
	}
}

// fresh makes the customer's next message open a new case.
func (t *turn) fresh(ctx context.Context) (*channels.Body, error) {
	if t.who == nil {
		return t.say("fresh"), nil // a stranger's message does anyway
	}
	err := t.store.Update(ctx, func(tx store.Tx) error {
		i, err := casecore.Identities.Get(tx, casecore.IdentityID(t.in.From))
		if err != nil || i.Fresh {
			return err
		}
		i.Fresh = true
		return casecore.Identities.Put(tx, i)
	})
	return t.say("fresh"), err
}

func (t *turn) languages() *channels.Body {
	out := t.say("which_language")
	for _, l := range []struct{ tag, name string }{{"en", "English"}, {"ru", "Русский"}, {"uk", "Українська"}, {"sr", "Srpski"}} {
		out.Buttons = append(out.Buttons, channels.Button{Label: l.name, Data: "lang|" + l.tag})
	}
	t.listed(out, "lang")
	return out
}

// speak sets the language that the customer is written to in.
func (t *turn) speak(ctx context.Context, tag string) (*channels.Body, error) {
	if _, known := t.words[tag]; !known {
		return t.languages(), nil
	}
	t.lang = tag
	if t.who == nil {
		return t.say("language"), nil
	}
	return t.say("language"), t.prefer(ctx, casecore.Wish{Lang: &tag})
}

// file puts a message of this customer under the case they chose.
func (t *turn) file(ctx context.Context, message, to string) (*channels.Body, error) {
	mine, at, err := t.mine(ctx, message)
	if err != nil {
		return nil, err
	}
	if !mine {
		return t.say("gone"), nil
	}
	if to == intake.NewCase && at.opened {
		return t.say("moved_new", "{case}", at.number), nil // pressed again
	}
	c, err := t.intake.Refile(ctx, by, message, to)
	switch {
	case errors.Is(err, intake.ErrNoCase), errors.Is(err, casecore.ErrNotTheirs):
		return t.say("gone"), nil
	case err != nil:
		return nil, err
	case to == intake.NewCase:
		return t.say("moved_new", "{case}", c.CaseNumber()), nil
	}
	return t.say("moved", "{case}", c.CaseNumber()), nil
}

// whereabouts is where a message is now.
type whereabouts struct {
	number string
	opened bool // the case began with it
}

// mine says whether the message is one that this customer wrote from here.
func (t *turn) mine(ctx context.Context, message string) (mine bool, at whereabouts, err error) {
	err = t.store.View(ctx, func(tx store.Tx) error {
		m, err := casecore.Messages.Get(tx, message)
		if err != nil {
			return err
		}
		c, err := casecore.Cases.Get(tx, m.Case)
		mine = m.Direction == casecore.In && m.From.Key() == t.in.From.Key()
		if err == nil {
			at = whereabouts{number: c.CaseNumber(), opened: m.Seq == 1}
		}
		return err
	})
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrLimit) {
		return false, at, nil
	}
	return mine, at, err
}

// bind ties this chat to the customer whom the link was made for.
func (t *turn) bind(ctx context.Context, token string) (*channels.Body, error) {
	var c *casecore.Case
	var who *casecore.Customer
	err := t.store.Update(ctx, func(tx store.Tx) (err error) {
		if c, err = t.ledger.Bind(tx, by, token, t.in.From); err != nil {
			return err
		}
		who, err = casecore.Customers.Get(tx, c.Customer)
		return err
	})
	if errors.Is(err, casecore.ErrNotTied) {
		return t.menu(t.say("not_linked")), nil
	}
	if err != nil {
		return nil, err
	}
	if tag := who.Reads(c); tag != "" {
		t.lang = lang.Match(tag)
	}
	out := t.say("linked", "{case}", c.CaseNumber())
	out.Text += "\n\n" + t.line(c)
	return t.menu(out), nil
}
