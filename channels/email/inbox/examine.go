package inbox

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"casewire/channels"
	"casewire/channels/email/link"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// soon is how long before its end a certificate is warned about.
const soon = 14 * 24 * time.Hour

// Examine tries the account step by step, on a connection of its own and without
// changing anything: name, connection, certificate, login, folders and what the
// server can do. It stops at the first step without which the next cannot be tried.
func (b *Inbox) Examine(ctx context.Context, found func(channels.Finding)) {
	tell := func(step, text string) { found(channels.Finding{Step: "imap " + step, OK: true, Text: text}) }
	warn := func(step, text, mend string) {
		found(channels.Finding{Step: "imap " + step, OK: true, Warn: true, Text: text, Mend: mend})
	}
	fail := func(step string, err error) {
		st := explain(err)
		found(channels.Finding{Step: "imap " + step, Text: st.text, Mend: st.mend})
	}
	addresses, err := net.DefaultResolver.LookupHost(ctx, b.s.Server.Host)
	if err != nil {
		fail("dns", &stepError{step: "connect", err: link.Explain(err)})
		return
	}
	tell("dns", fmt.Sprintf("%s has %d address(es)", b.s.Server.Host, len(addresses)))
	var certs tls.ConnectionState
	client, conn, err := b.connect(ctx, nil, func(cs tls.ConnectionState) { certs = cs })
	if err != nil {
		fail("connection", err)
		return
	}
	defer client.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	tell("connection", "the server answers")
	b.certificates(certs, tell, warn)
	if err := b.authenticate(ctx, client); err != nil {
		fail("login", err)
		return
	}
	tell("login", "the server lets us in")
	for _, f := range b.folders {
		data, err := client.Select(f.name, &imap.SelectOptions{ReadOnly: true}).Wait()
		if err != nil {
			st := explain(&stepError{step: "select", folder: f.name, err: err})
			found(channels.Finding{Step: "imap folder " + f.name, Text: st.text, Mend: "create it, or correct folders; there are: " + names(client)})
			continue
		}
		tell("folder "+f.name, fmt.Sprintf("holds %d mail(s)", data.NumMessages))
	}
	b.abilities(client, tell, warn, found)
}

// certificates tells how the connection is encrypted and for how long.
func (b *Inbox) certificates(cs tls.ConnectionState, tell func(step, text string), warn func(step, text, mend string)) {
	if b.s.Server.TLS == link.None {
		warn("tls", "the connection is not encrypted", "set tls to implicit or starttls, unless the server is on this machine")
		return
	}
	if len(cs.PeerCertificates) == 0 {
		return
	}
	until := cs.PeerCertificates[0].NotAfter
	day := until.UTC().Format(time.DateOnly)
	if until.Sub(b.o.Now()) < soon {
		warn("tls", "the server's certificate ends on "+day, "have it renewed")
		return
	}
	tell("tls", fmt.Sprintf("%s, certificate valid until %s", tls.VersionName(cs.Version), day))
}

// abilities tells what the server supports of what we would use.
func (b *Inbox) abilities(client *imapclient.Client, tell func(step, text string), warn func(step, text, mend string), found func(channels.Finding)) {
	caps := client.Caps()
	if caps.Has(imap.CapIdle) {
		tell("idle", "the server tells of new mail at once")
	} else {
		warn("idle", "the server has no IDLE", fmt.Sprintf("nothing: new mail is seen within %s; set poll lower if that is too long", b.s.Poll))
	}
	if b.s.MoveTo == "" {
		return
	}
	switch {
	case caps.Has(imap.CapMove), caps.Has(imap.CapUIDPlus):
		tell("move", "stored mail can be moved")
	default:
		found(channels.Finding{Step: "imap move", Text: "the server supports neither MOVE nor UIDPLUS, so mail cannot be moved", Mend: "leave move_to empty"})
	}
	list, err := client.List("", b.s.MoveTo, nil).Collect()
	if err != nil || len(list) == 0 {
		found(channels.Finding{Step: "imap folder " + b.s.MoveTo, Text: "the folder for stored mail does not exist", Mend: "create it, or correct move_to; there are: " + names(client)})
	}
}

// names lists the folders there are.
func names(client *imapclient.Client) string {
	list, err := client.List("", "*", nil).Collect()
	if err != nil {
		return "unknown, as the server does not list them"
	}
	var out []string
	for _, l := range list {
		if !slices.Contains(l.Attrs, imap.MailboxAttrNoSelect) {
			out = append(out, l.Mailbox)
		}
	}
	slices.Sort(out)
	if len(out) > 30 {
		out = append(out[:30], "…")
	}
	return strings.Join(out, ", ")
}
