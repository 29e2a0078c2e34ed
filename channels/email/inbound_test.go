package email

import (
	"slices"
	"strings"
	"testing"

	"casewire/channels"
)

const outID = "0199a1b2-0000-7000-8000-00000000c0de" // of a message of ours

// What a mail answers is found by what each mail program leaves of our traces (E5,
// E6), and nothing that a stranger can write is believed.
func TestThreading(t *testing.T) {
	own := tags().MessageID(outID)
	caseAddress, ok := tags().CaseAddress(shop, "CW-000123")
	if !ok {
		t.Fatal("no case address")
	}
	forged := strings.Replace(own, "@", "x@", 1)
	subject := tags().Subject("Broken screen", "CW-000123")
	for _, test := range []struct {
		name              string
		raw               string
		answers, mentions []string
		number            string
	}{
		{
			name: "gmail: both headers and a plus-address in To",
			raw: letter("hello", "To: "+caseAddress, "In-Reply-To: <"+own+">",
				"References: <first@mail.test> <"+own+">"),
			answers: []string{outID}, mentions: []string{"first@mail.test"}, number: "CW-000123",
		},
		{
			name:    "outlook: folded references, subject with a prefix",
			raw:     letter("hello", "Subject: RE: Broken screen", "In-Reply-To: <"+own+">", "References: <first@mail.test>\n <"+own+">"),
			answers: []string{outID}, mentions: []string{"first@mail.test"},
		},
		{
			name:    "apple: references rewritten, ours is not the last",
			raw:     letter("hello", "References: <"+own+"> <other@apple.test>"),
			answers: []string{outID}, mentions: []string{"other@apple.test"},
		},
		{
			name:    "ses: an id that the provider gave us in place of ours",
			raw:     letter("hello", "In-Reply-To: <0100018f-abc@email.amazonses.com>", "References: <0100018f-abc@email.amazonses.com>"),
			answers: []string{"0100018f-abc@email.amazonses.com"},
		},
		{
			name:   "ses: nothing known, but our marker in the quoted mail",
			raw:    letter("hello\n> "+tags().Marker("CW-000123")+"\n", "In-Reply-To: <0100018f-abc@email.amazonses.com>"),
			number: "CW-000123", answers: []string{"0100018f-abc@email.amazonses.com"},
		},
		{
			name:   "mobile: no headers, signed subject",
			raw:    letter("hello", "Subject: Re: "+subject),
			number: "CW-000123",
		},
		{
			name:   "forwarded by the server: the token is in Delivered-To alone",
			raw:    letter("hello", "Delivered-To: "+caseAddress),
			number: "CW-000123",
		},
		{
			name:   "token in Cc, in capitals",
			raw:    letter("hello", "Cc: x@y.test, "+strings.ToUpper(caseAddress)),
			number: "CW-000123",
		},
		{
			name:    "the customer's own earlier mail in In-Reply-To stands alone",
			raw:     letter("hello", "In-Reply-To: <first@mail.test>", "Subject: quite another"),
			answers: []string{"first@mail.test"},
		},
		{
			name:     "an old mail recycled: references alone are a mention",
			raw:      letter("hello", "References: <first@mail.test> <second@mail.test>", "Subject: new matter"),
			mentions: []string{"second@mail.test", "first@mail.test"},
		},
		{
			name:    "our id comes before a token in the subject",
			raw:     letter("hello", "In-Reply-To: <"+own+">", "Subject: Re: "+subject),
			answers: []string{outID},
		},
		{
			name:    "a vacation answer comes back to the envelope address",
			raw:     letter("away", "To: "+tags().ReturnPath(shop, outID), "Auto-Submitted: auto-replied"),
			answers: []string{outID},
		},
		{
			name:    "forged id",
			raw:     letter("hello", "In-Reply-To: <"+forged+">"),
			answers: []string{forged[:0] + strings.ToLower(forged)},
		},
		{
			name: "forged subject number, and a number without a token",
			raw:  letter("hello", "Subject: Re: Broken [CW-000123/aaaaaaaaaaaaaaaa] CW-000123"),
		},
		{
			name: "forged plus-address",
			raw:  letter("hello", "To: support+cw000123-aaaaaaaaaaaaaaaa@shop.test"),
		},
		{
			name: "the token of another case is none for this one",
			raw:  letter("hello", "To: "+strings.Replace(caseAddress, "cw000123", "cw000124", 1)),
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			msg, receipt := read(t, closed(t, nil), test.raw)
			if !slices.EqualFunc(msg.Answers, test.answers, strings.EqualFold) || !slices.Equal(msg.Mentions, test.mentions) || msg.Case != test.number {
				t.Errorf("answers %q, mentions %q, case %q\nwant    %q,          %q,      %q", msg.Answers, msg.Mentions, msg.Case, test.answers, test.mentions, test.number)
			}
			if receipt != nil || msg.Report {
				t.Error("taken for a report")
			}
		})
	}
}

// Whom to answer, and whether at all (E8, E9).
func TestSender(t *testing.T) {
	for _, test := range []struct {
		name, raw, from, auto string
	}{
		{"plain", letter("x"), customer, ""},
		{"reply-to", letter("x", "Reply-To: Boss <boss@Mail.Test>"), "boss@mail.test", ""},
		{"reply-to of a vacation answer does not count", letter("x", "Reply-To: boss@mail.test", "Auto-Submitted: auto-replied"), customer, "vacation"},
		{"a list", letter("x", "List-Id: <news.mail.test>", "Reply-To: list@mail.test"), customer, "list"},
		{"bulk", letter("x", "Precedence: bulk"), customer, "bulk"},
		{"our own address", letter("x", "From: "+shop), shop, "loop"},
		{"our own address with a detail and in capitals", letter("x", "From: Support+x@SHOP.test"), "Support+x@shop.test", "loop"},
		{"an alias of ours", letter("x", "From: info@shop.test"), "info@shop.test", "loop"},
		{"a form on our site", letter("x", "From: "+shop, "Reply-To: "+customer), customer, "loop"},
		{"our loop header", letter("x", "X-Casewire-Loop: "+tags().Loop()), customer, "loop"},
		{"somebody else's loop header", letter("x", "X-Casewire-Loop: casewire-aaaaaaaaaaaaaaaa"), customer, ""},
		{"no sender but an envelope", letter("x", "From: -", "Return-Path: <"+customer+">"), customer, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := closed(t, func(c *Config) { c.Aliases = []string{"info@shop.test"} })
			msg, _ := read(t, d, test.raw)
			if msg.From.Handle != test.from || msg.Facts[factAuto] != test.auto || msg.Auto != (test.auto != "") {
				t.Errorf("from %q, auto %t %q; want %q, %q", msg.From.Handle, msg.Auto, msg.Facts[factAuto], test.from, test.auto)
			}
			if msg.From.Kind != channels.Email || msg.Channel != channelID {
				t.Errorf("from %+v on %s", msg.From, msg.Channel)
			}
		})
	}
	for _, ours := range []string{"info@мастер.test", "info@xn--80aktsdg.test"} {
		d := closed(t, func(c *Config) { c.Aliases = []string{ours} })
		if msg, _ := read(t, d, letter("x", "From: info@xn--80aktsdg.test")); !msg.Auto {
			t.Errorf("an address of ours, %s, is taken for a customer's", ours)
		}
	}
	// Strangers who name nobody do not become one customer.
	a, _ := read(t, closed(t, nil), letter("one", "From: -"))
	b, _ := read(t, closed(t, nil), letter("two", "From: -"))
	if a.From.Handle == "" || a.From.Handle == b.From.Handle || a.Broken == "" {
		t.Errorf("%q and %q", a.From.Handle, b.From.Handle)
	}
}

// Whoever has answers sent elsewhere is named beside the one who gets them.
func TestWriter(t *testing.T) {
	for raw, want := range map[string]string{
		letter("x"):                                                 "",
		letter("x", "Reply-To: boss@mail.test"):                     customer,
		letter("x", "Reply-To: "+strings.ToUpper(customer)):         "",
		letter("x", "Reply-To: boss@mail.test", "From: "+shop):      "",
		letter("x", "Reply-To: "+shop):                              "",
		letter("x", "Reply-To: boss@mail.test", "Precedence: bulk"): "",
		letter("x", "Reply-To: boss@mail.test", "From: \"no one\""): "",
	} {
		if msg, _ := read(t, closed(t, nil), raw); msg.Writer.Handle != want {
			t.Errorf("writer %q, want %q, of:\n%s", msg.Writer.Handle, want, raw)
		}
	}
}

// References alone are believed under the same subject only, so that it must be
// told (E6).
func TestTopic(t *testing.T) {
	for subject, want := range map[string]string{
		"Broken screen": "broken screen", "RE: AW: Broken  Screen": "broken screen", "": "",
		tags().Subject("Re: Broken screen", "CW-000123"): "broken screen", "A new matter": "a new matter",
	} {
		if msg, _ := read(t, closed(t, nil), letter("x", "Subject: "+subject)); msg.Topic != want {
			t.Errorf("topic of %q is %q, want %q", subject, msg.Topic, want)
		}
	}
}

// A mail is known by its id and its content together, in whichever folder it lies,
// and on another mailbox of ours as a copy (E4).
func TestIdentity(t *testing.T) {
	d := closed(t, nil)
	id := func(d *Door, raw string) channels.Inbound {
		m, _ := read(t, d, raw)
		return m
	}
	one := id(d, letter("hello", "Message-ID: <a@mail.test>"))
	again := id(d, letter("hello", "Received: by another way", "Delivered-To: "+shop, "Message-ID: <a@mail.test>"))
	if one.ExternalID != again.ExternalID {
		t.Error("the same mail on another way is another mail")
	}
	if other := id(d, letter("other words", "Message-ID: <a@mail.test>")); other.ExternalID == one.ExternalID {
		t.Error("an id used twice hides the second mail")
	}
	if !slices.Equal(one.Refs, []string{"a@mail.test"}) {
		t.Errorf("refs %q", one.Refs)
	}
	none, noneToo := id(d, letter("hello")), id(d, letter("hello", "From: bob@mail.test"))
	if none.ExternalID == "" || none.ExternalID == noneToo.ExternalID || none.Refs != nil {
		t.Error("mails without an id must be told by what they are")
	}
	info := closed(t, func(c *Config) { c.Address = "info@shop.test" })
	there := id(info, letter("hello", "Message-ID: <a@mail.test>"))
	if there.ExternalID == one.ExternalID || there.Copy != one.Copy || one.Copy == "" {
		t.Error("a copy in another mailbox must be a message of its own that is known as a copy")
	}
}

// A report finds the message it is about and says what follows (E12).
func TestBounces(t *testing.T) {
	back := tags().ReturnPath(shop, outID)
	own := tags().MessageID(outID)
	dsn := func(to, action, status, original string) string {
		return strings.Join([]string{
			"From: MAILER-DAEMON@mx.mail.test", "To: " + to, "Subject: Undelivered Mail Returned to Sender", "Return-Path: <>",
			"Date: Sun, 22 Nov 2026 10:00:00 +0000", "Message-ID: <dsn1@mx.mail.test>", "Auto-Submitted: auto-replied", "MIME-Version: 1.0",
			`Content-Type: multipart/report; report-type=delivery-status; boundary="b"`, "",
			"--b", "Content-Type: text/plain", "", "I could not deliver it.", "",
			"--b", "Content-Type: message/delivery-status", "", "Reporting-MTA: dns; mx.mail.test", "",
			"Final-Recipient: rfc822; ann@mail.test", "Action: " + action, "Status: " + status,
			"Diagnostic-Code: smtp; 550 <ann@mail.test> unknown", "",
			"--b", "Content-Type: text/rfc822-headers", "", "From: " + shop, "To: ann@mail.test", "Message-ID: <" + original + ">", "", "--b--", "",
		}, "\n")
	}
	for _, test := range []struct {
		name   string
		raw    string
		report bool
		state  channels.State
		reason channels.Reason
		token  bool // bounces come to addresses of their own
	}{
		{"by the envelope, no such mailbox", dsn(back, "failed", "5.1.1", "lost@x"), true, channels.Undelivered, channels.BadAddress, true},
		{"by our id alone, where the envelope has a token", dsn(shop, "failed", "5.1.1", own), true, channels.Undelivered, channels.Unreachable, true},
		{"by our id, mailbox disabled", dsn(shop, "failed", "5.2.1", own), true, channels.Undelivered, channels.BadAddress, false},
		{"policy", dsn(back, "failed", "5.7.1", own), true, channels.Undelivered, channels.Unreachable, false},
		{"neither action nor status", dsn(back, "", "bad", own), true, "", "", false},
		{"content", dsn(back, "failed", "5.6.0", own), true, channels.Undelivered, channels.BadContent, false},
		{"mailbox full", dsn(back, "failed", "5.2.2", own), true, channels.Undelivered, channels.Unreachable, false},
		{"given up after days", dsn(back, "failed", "4.4.7", own), true, channels.Undelivered, channels.Unreachable, false},
		{"unclear", dsn(back, "failed", "5.0.0", own), true, channels.Undelivered, channels.Unreachable, false},
		{"delayed", dsn(back, "delayed", "4.4.1", own), true, "", "", false},
		{"delivered", dsn(back, "delivered", "2.1.5", own), true, channels.Delivered, "", false},
		{"relayed", dsn(back, "relayed", "2.1.9", own), true, "", "", false},
		{"not ours", dsn(shop, "failed", "5.1.1", "other@x"), false, "", "", false},
		{"forged id", dsn(shop, "failed", "5.1.1", strings.Replace(own, ".", ".a", 1)), false, "", "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			msg, r := read(t, closed(t, func(c *Config) { c.SMTP.ReturnToken = test.token }), test.raw)
			if msg.Report != test.report || !msg.Auto || msg.Facts[factAuto] != "bounce" {
				t.Errorf("report %t, auto %t %q", msg.Report, msg.Auto, msg.Facts[factAuto])
			}
			if test.report && !slices.Equal(msg.Answers, []string{outID}) {
				t.Errorf("answers %q", msg.Answers)
			}
			if test.state == "" {
				if r != nil {
					t.Errorf("receipt %+v", r)
				}
				return
			}
			if r == nil || r.State != test.state || r.Reason != test.reason || r.OutboundID != outID || r.Code == "" || r.Channel != channelID {
				t.Fatalf("receipt %+v", r)
			}
			if r.Detail == "" || strings.Contains(r.Detail, "@") {
				t.Errorf("detail %q", r.Detail)
			}
		})
	}
}
