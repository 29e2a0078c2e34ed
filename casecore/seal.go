package casecore

import (
	"casewire/casecore/chain"
	"casewire/casecore/store"
	"casewire/channels"
)

// What is sealed of each record. Members are named in the order of their names, as
// package chain asks for; a field that is new to a record belongs here too, or says
// in unsealed of the test why not.

// seal makes e the newest of its case's chain.
func (e *Event) seal(c *Case) {
	if e.ID == "" {
		e.ID = store.NewID()
	}
	e.Prev = c.Head
	e.Hash = e.Digest()
	c.Head = e.Hash
}

// Digest is the seal that the event should have: over everything it says but
// Pending and the seal itself.
func (e *Event) Digest() string {
	f := chain.Begin(1024)
	f.String("actor", e.Actor)
	f.Text("actor_name", e.ActorName)
	f.Moment("at", e.At)
	f.Flag("auto", e.Auto)
	f.Text("call", e.Call)
	f.String("case", e.Case)
	if len(e.Choices) > 0 {
		f.List("choices")
		for _, c := range e.Choices {
			button(&f, c.Label, c.Data)
		}
		f.EndList()
	}
	f.Count("claim_no", e.ClaimNo)
	f.Text("code", e.Code)
	f.Text("fared", e.Fared)
	f.Text("from", e.From)
	f.String("id", e.ID)
	f.String("kind", string(e.Kind))
	f.Text("message", e.Message)
	f.Count("place", e.Place)
	f.Text("prev", e.Prev)
	f.Text("reason", e.Reason)
	f.Count("seconds", e.Seconds)
	f.Int("seq", e.Seq)
	f.Text("template", e.Template)
	f.Text("to", e.To)
	f.Text("to_name", e.ToName)
	if e.Trace != nil {
		e.Trace.form(&f)
	}
	f.Text("words", e.Words)
	return f.Sum()
}

func (t *Trace) form(f *chain.Form) {
	f.Object("trace")
	if len(t.Reasons) > 0 {
		f.List("reasons")
		for _, r := range t.Reasons {
			f.Object("")
			f.String("condition", r.Condition)
			f.Texts("matched", r.Matched)
			f.EndObject()
		}
		f.EndList()
	}
	f.Int("revision", t.Revision)
	f.String("rule", t.Rule)
	f.Int("skipped", int64(t.Skipped))
	f.EndObject()
}

func button(f *chain.Form, label, data string) {
	f.Object("")
	f.String("data", data)
	f.String("label", label)
	f.EndObject()
}

// Digest is the seal of what the message says, with everything that does not change
// without an event: not its place in its case, which events tell, nor how its
// delivery fares, which has a chain of its own whose seal as it was then events name
// (Event.Fared), nor its place in a hosted thread.
// The raw form and HTML stand in it as their own SHA-256, as raw_sha256 and
// html_sha256.
func (m *Message) Digest() string {
	f := chain.Begin(2048)
	f.Moment("at", m.At)
	f.Text("author", m.Author)
	f.Text("author_name", m.AuthorName)
	f.Flag("auto", m.Auto)
	body(&f, &m.Body)
	f.Text("broken", m.Broken)
	f.Text("channel", m.Channel)
	f.Text("copy", m.Copy)
	f.Text("copy_of", m.CopyOf)
	f.String("direction", string(m.Direction))
	f.Text("external_id", m.ExternalID)
	address(&f, "from", m.From)
	f.String("id", m.ID)
	f.Text("instead", m.Instead)
	f.Text("raw_sha256", chain.Hash(m.Raw))
	f.Texts("refs", m.Refs)
	f.Text("replaces", m.Replaces)
	f.Time("sent_at", m.SentAt)
	f.Text("source", m.Source)
	f.Text("status", m.Status)
	f.Text("template", m.Template)
	address(&f, "to", m.To)
	f.Text("topic", m.Topic)
	if len(m.Versions) > 0 {
		f.List("versions")
		for i := range m.Versions {
			v := &m.Versions[i]
			f.Object("")
			f.Moment("at", v.At)
			body(&f, &v.Body)
			f.String("external_id", v.ExternalID)
			f.EndObject()
		}
		f.EndList()
	}
	address(&f, "writer", m.Writer)
	return f.Sum()
}

func body(f *chain.Form, b *channels.Body) {
	f.Object("body")
	if len(b.Buttons) > 0 {
		f.List("buttons")
		for _, x := range b.Buttons {
			button(f, x.Label, x.Data)
		}
		f.EndList()
	}
	if len(b.Files) > 0 {
		f.List("files")
		for _, x := range b.Files {
			f.Object("")
			f.String("blob", x.Blob)
			f.Text("cid", x.CID)
			f.String("name", x.Name)
			f.Int("size", x.Size)
			f.String("type", x.Type)
			f.EndObject()
		}
		f.EndList()
	}
	f.Text("html_sha256", chain.Hash([]byte(b.HTML)))
	f.Text("lang", b.Lang)
	f.Text("quoted", b.Quoted)
	f.Text("subject", b.Subject)
	f.String("text", b.Text)
	f.EndObject()
}

func address(f *chain.Form, name string, a channels.Address) {
	if a == (channels.Address{}) {
		return
	}
	f.Object(name)
	f.String("handle", a.Handle)
	f.String("kind", string(a.Kind))
	f.Text("name", a.Name)
	f.EndObject()
}

// Digest is the seal that the entry should have behind the one with the seal prev.
func (e *Evidence) Digest(prev string) string {
	f := chain.Begin(1024)
	f.Moment("at", e.At)
	if a := e.Attempt; a != nil {
		f.Object("attempt")
		f.Moment("at", a.At)
		f.String("channel", a.Channel)
		f.Text("code", a.Code)
		f.Text("detail", a.Detail)
		f.Time("next_at", a.NextAt)
		f.Int("no", int64(a.No))
		f.Text("provider_id", a.ProviderID)
		f.Text("reason", a.Reason)
		f.Texts("refs", a.Refs)
		f.String("state", string(a.State))
		f.EndObject()
	}
	f.Text("by", string(e.By))
	f.Int("no", e.No)
	f.String("prev", prev)
	f.Time("since", e.Since)
	f.String("state", string(e.State))
	return f.Sum()
}

// about has the event tell of m as it is now: what it says and how it has fared.
func about(m *Message, e Event) Event {
	e.Message, e.Place, e.Words, e.Fared = m.ID, m.Seq, m.Digest(), m.Proof()
	return e
}
