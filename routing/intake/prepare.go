package intake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/routing"
)

// What a message may bring. Longer texts are cut and the case is flagged; the raw
// form keeps all of it.
const (
	maxText    = 200_000 // bytes
	maxHTML    = 300_000 // bytes
	maxSubject = 200     // characters
	maxFacts   = 32
	maxFact    = 500 // bytes of one value
	maxSource  = 64 << 20
	smallRaw   = 8 << 10 // bytes: kept in the message itself, which spares a file

	// All texts as a document of the store spells them, where some characters take
	// six times their bytes. The rest of the document needs less than a quarter.
	maxSpelled = store.MaxBody / 4 * 3
)

// prepared is a message made ready outside the transaction, where work is cheap.
type prepared struct {
	in       channels.Inbound
	message  casecore.Message
	decision routing.Decision
}

// prepare cleans the message, keeps its raw form and asks the rules.
func (in *Intake) prepare(ctx context.Context, m channels.Inbound) (*prepared, error) {
	if m.ExternalID == "" || m.Channel == "" || m.From.Handle == "" {
		return nil, errors.New("a message needs a channel, an external id and a sender")
	}
	p := &prepared{in: m}
	p.clean()
	source, small, err := in.keepSource(ctx, p)
	if err != nil {
		return nil, err
	}
	if err := in.ask(ctx, p); err != nil {
		return nil, err
	}
	p.message = casecore.Message{
		Direction: casecore.In, Channel: m.Channel, ExternalID: m.ExternalID, From: p.in.From, Writer: p.in.Writer,
		Auto: m.Auto, Body: p.in.Body, Source: source, Raw: small, Broken: p.in.Broken, SentAt: m.SentAt,
		Refs: m.Refs, Topic: m.Topic, Copy: m.Copy, Replaces: m.Replaces,
	}
	return p, nil
}

// clean makes every text from outside valid and bounded.
func (p *prepared) clean() {
	b := &p.in.Body
	b.Text = channels.CleanText(b.Text)
	if len(b.Text) > maxText {
		b.Text = strings.ToValidUTF8(b.Text[:maxText], "")
		p.flag("the text is longer than 200 KB and was cut")
	}
	b.Quoted = channels.CleanText(b.Quoted)
	if len(b.Quoted) > maxText {
		b.Quoted = strings.ToValidUTF8(b.Quoted[:maxText], "") // the raw form has it all
	}
	b.HTML = strings.ToValidUTF8(b.HTML, "\uFFFD")
	if len(b.HTML) > maxHTML {
		b.HTML = ""
		p.flag("the HTML part is longer than 300 KB and was left out")
	}
	if b.HTML != "" && spelled(b.Text)+spelled(b.Quoted)+spelled(b.HTML) > maxSpelled {
		b.HTML = ""
		p.flag("the HTML part is too long to be kept beside the text and was left out")
	}
	if spelled(b.Text)+spelled(b.Quoted) > maxSpelled {
		b.Quoted = "" // as above
	}
	b.Subject = oneLine(b.Subject, maxSubject)
	p.in.From.Name = oneLine(p.in.From.Name, maxSubject)
	p.in.Writer.Name = oneLine(p.in.Writer.Name, maxSubject)
}

// spelled is how many bytes s takes in JSON, or a little more.
func spelled(s string) int {
	n := len(s) + 3*strings.Count(s, "\u2028") + 3*strings.Count(s, "\u2029")
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"', c == '\\', c == '\n', c == '\t', c == '\r':
			n++
		case c < ' ', c == 0x7f:
			n += 5
		}
	}
	return n
}

func (p *prepared) flag(why string) {
	if p.in.Broken != "" {
		why = p.in.Broken + "; " + why
	}
	p.in.Broken = why
}

// ask takes the rules' decision, after a look at the customer if they need one.
func (in *Intake) ask(ctx context.Context, p *prepared) (err error) {
	r := in.router()
	var customer map[string]string
	if r.AsksCustomer() {
		if customer, err = in.customerAttributes(ctx, p.in.From); err != nil {
			return err
		}
	}
	in.route(r, p, in.facts(p, customer))
	return nil
}

// route asks the rules. A fault in them must not cost the message: it then lands
// in the queue of the last rule, flagged.
func (in *Intake) route(r *routing.Router, p *prepared, f routing.Facts) {
	defer func() {
		if fault := recover(); fault != nil {
			in.o.Log.Error("rules failed", "channel", p.in.Channel, "fault", fmt.Sprint(fault), "stack", string(debug.Stack()))
			p.flag(fmt.Sprintf("the rules failed: %v", fault))
			p.decision = routing.Decision{Queue: r.Default().ID, Priority: casecore.Normal,
				Trace: casecore.Trace{Rule: "(rules failed)"}}
		}
	}()
	p.decision = r.Route(f)
}

func (in *Intake) facts(p *prepared, customer map[string]string) routing.Facts {
	text := p.in.Body.Text
	if s := p.in.Body.Subject; s != "" {
		text = s + "\n" + text
	}
	return routing.Facts{
		Text: text, Kind: p.in.From.Kind, Channel: p.in.Channel, Language: p.in.Body.Lang,
		At: in.ledger.Now(), Customer: customer, Attributes: attributes(p.in.Facts),
	}
}

// keepSource stores the raw form before the commit that refers to it. One that is
// too large is cut: refusing it would have it offered for ever.
func (in *Intake) keepSource(ctx context.Context, p *prepared) (blob string, small []byte, err error) {
	if p.in.Source == nil {
		return "", nil, nil
	}
	r, err := p.in.Source()
	if err != nil {
		return "", nil, fmt.Errorf("open raw message: %w", err)
	}
	defer func() { _ = r.Close() }()
	head, err := io.ReadAll(io.LimitReader(r, smallRaw+1))
	if err != nil {
		return "", nil, fmt.Errorf("read raw message: %w", err)
	}
	if len(head) <= smallRaw {
		return "", head, nil
	}
	cut := &io.LimitedReader{R: io.MultiReader(bytes.NewReader(head), r), N: maxSource}
	ref, err := in.blobs.Put(ctx, cut, maxSource)
	if err != nil {
		return "", nil, fmt.Errorf("keep raw message: %w", err)
	}
	if cut.N == 0 {
		p.flag("the raw form is longer than 64 MB and was cut")
	}
	return ref.Hash, nil, nil
}

// customerAttributes are those of the sender as known just before the commit.
func (in *Intake) customerAttributes(ctx context.Context, a channels.Address) (map[string]string, error) {
	var out map[string]string
	err := in.store.View(ctx, func(tx store.Tx) error {
		c, _, err := known(tx, a)
		if err == nil {
			out = c.Attributes
		}
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return out, err
}

// draft is the case that the message opens.
func (p *prepared) draft(who *casecore.Customer, fallback string) casecore.Draft {
	d := p.decision
	tag := p.in.Body.Lang // also when another one was chosen: see casecore.Customer.Reads
	for _, known := range []string{who.Lang, fallback} {
		if tag == "" {
			tag = known
		}
	}
	subject := p.in.Body.Subject
	if subject == "" {
		subject = oneLine(p.in.Body.Text, 80)
	}
	all := attributes(p.in.Facts)
	for k, v := range d.Attributes {
		all[k] = v
	}
	reply := d.Reply
	if p.in.Auto {
		reply = "" // E9: no answer to a machine
	}
	return casecore.Draft{
		Customer: who.ID, Channel: p.in.Channel, To: p.in.From, Lang: tag, Subject: subject,
		Queue: d.Queue, Priority: d.Priority, Category: d.Category, Attributes: all, Tags: d.Tags,
		React: d.React, Reply: reply, Broken: p.in.Broken != "", Trace: d.Trace,
	}
}

// attributes keeps what a door knows besides the text, within bounds. A pressed
// button is an answer and says nothing of the case.
func attributes(facts map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range facts {
		if k != "button" && len(out) < maxFacts && len(k) <= 64 {
			if v = oneLine(v, maxFact); v != "" {
				out[k] = v
			}
		}
	}
	return out
}

// oneLine is the first characters of s with all white space as single blanks.
func oneLine(s string, most int) string {
	s = strings.Join(strings.Fields(channels.CleanText(s)), " ")
	if len(s) <= most {
		return s // no more bytes, so no more characters
	}
	end, n := 0, 0
	for i := range s {
		if n++; n == most {
			end = i
		}
		if n > most {
			return strings.TrimSpace(s[:end]) + "…"
		}
	}
	return s
}
