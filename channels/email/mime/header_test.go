package mime

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"casewire/channels"
)

func TestDecodeWords(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                                         "plain",
		"=?utf-8?Q?caf=C3=A9?= owner":                   "café owner",
		"=?utf-8?Q?a?= =?utf-8?Q?b?=":                   "ab",
		"=?utf-8?Q?a?= x =?utf-8?Q?b?=":                 "a x b",
		"=?utf-8?B?0J8=?==?utf-8?B?0YA=?=":              "Пр",
		"=?utf-8?B?0J/R?= =?utf-8?B?gNC4?=":             "При",
		"=?utf-8?B?0J/R?=\r\n =?UTF-8?B?gNC4?=":         "При",
		"=?utf-8?B?0J/RgN?= =?utf-8?B?C4?=":             "При",
		"=?utf-8?Q?with raw spaces?=":                   "with raw spaces",
		"=?utf-8?Q?no end":                              "no end",
		"=?utf-8*ru?Q?=D0=9F?=":                         "П",
		"=?windows-1251?Q?=CF=F0=E8=E2=E5=F2?=":         "Привет",
		"=?iso-8859-1?Q?=CF=F0=E8=E2=E5=F2?=":           "Привет",
		"=?utf-8?Q?=CF=F0=E8=E2=E5=F2?=":                "Привет",
		"=?nobody-knows?Q?=CF=F0=E8=E2=E5=F2?=":         "Привет",
		"=?utf-8?X?abc?=":                               "=?utf-8?X?abc?=",
		"=?utf-8?Q??=":                                  "",
		"=?=?=?=":                                       "=?=?=?=",
		"=?utf-8?Q?=ZZ?=":                               "=ZZ",
		"a=?utf-8?Q?b?=c":                               "abc",
		"=?utf-8?Q?one=?utf-8?Q?two?=":                  "onetwo",
		"=?koi8-r?B?8NLJ18XU?= =?windows-1251?B?7Ojw?=": "Приветмир",
	} {
		if got := channels.CleanText(decodeWords(in, "")); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

func TestAddresses(t *testing.T) {
	for in, want := range map[string]string{
		"a@x.example":                       `"" a@x.example`,
		"<a@X.Example>":                     `"" a@x.example`,
		"A B <a@x.example>":                 `"A B" a@x.example`,
		`"B, A" <a@x.example>, c@y.example`: `"B, A" a@x.example; "" c@y.example`,
		"B, A <a@x.example>":                `"B, A" a@x.example`,
		"a@x.example (A (very) B)":          `"A (very) B" a@x.example`,
		"a@x.example (A B)":                 `"A B" a@x.example`,
		`"a@x.example" <evil@y.example>`:    `"a@x.example" evil@y.example`,
		"Team: a@x.example, b@x.example;":   `"" a@x.example; "" b@x.example`,
		"undisclosed-recipients:;":          "",
		"":                                  "",
		", ,":                               "",
		"MAILER-DAEMON":                     `"" MAILER-DAEMON`,
		"Just A Name":                       `"Just A Name" `,
		"<>":                                "",
		"A <a@x.example":                    `"A" a@x.example`,
		"a@x.example; b@y.example":          `"" a@x.example; "" b@y.example`,
		"'A B' <a@x.example>":               `"A B" a@x.example`,
		"=?utf-8?Q?=D0=90,_=D0=91?= <a@x.example>":   `"А, Б" a@x.example`,
		"=?utf-8?Q?A_=3Ca=40x=2Eexample=3E?=":        `"A" a@x.example`,
		"A <mailto:a@x.example>":                     `"A" a@x.example`,
		"a@xn--e1afmkfd.xn--p1ai":                    `"" a@пример.рф`,
		"почта@пример.рф":                            `"" почта@пример.рф`,
		"\"A\u202Egpj\u200B\" <a@x.example>":         `"Agpj" a@x.example`,
		"=?utf-8?Q?A=00=0D=0ABcc:_x?= <a@x.example>": `"A Bcc: x" a@x.example`,
		"A <a@x\u202E.example>":                      `"A" a@x.example`,
		"a b@x.example":                              `"a" b@x.example`,
		"A <a@x.example> <b@y.example>":              `"A <a@x.example>" b@y.example`,
		`unbalanced" <a@x.example>`:                  `"unbalanced" a@x.example`,
		"a@x.example.":                               `"" a@x.example`,
	} {
		var got []string
		for _, a := range addresses([]string{in}, "") {
			got = append(got, fmt.Sprintf("%q %s", a.Name, a.Addr))
		}
		if s := strings.Join(got, "; "); s != want {
			t.Errorf("%q became %s, want %s", in, s, want)
		}
	}
}

func TestMessageIDs(t *testing.T) {
	for in, want := range map[string]string{
		"<a@x>":                         "a@x",
		" <a@x> <b@y> ":                 "a@x b@y",
		"<a@x><b@y>":                    "a@x b@y",
		"<a@\r\n x>":                    "a@x",
		"a@x":                           "a@x",
		"a@x, b@y":                      "a@x b@y",
		"<a@x> (<c@z> in a comment)":    "a@x c@z",
		`Message of "Fri" from A <a@x>`: "a@x",
		"<a@x> <a@x>":                   "a@x",
		"":                              "",
		"<>":                            "",
		"no id":                         "",
	} {
		if got := strings.Join(messageIDs([]string{in}), " "); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
	var chain strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&chain, "<%d@x> ", i)
	}
	ids := messageIDs([]string{chain.String()})
	if len(ids) != maxIDs || ids[0] != "0@x" || ids[len(ids)-1] != "4999@x" {
		t.Errorf("of a long chain %d are kept, from %s to %s", len(ids), ids[0], ids[len(ids)-1])
	}
	if id := firstID("<no-at-sign>"); id != "no-at-sign" {
		t.Errorf("got %q", id)
	}
}

func TestParseContent(t *testing.T) {
	for in, want := range map[string]string{
		"text/plain; charset=utf-8":                            "text/plain charset=utf-8",
		"TEXT/Plain; Charset=\"utf-8\"":                        "text/plain charset=utf-8",
		"text/plain charset=utf-8":                             "text/plain charset=utf-8",
		"text/plain;; charset=utf-8;":                          "text/plain charset=utf-8",
		"text/plain; charset=\"utf-8":                          "text/plain charset=utf-8",
		"text/plain (comment); charset=utf-8 (more)":           "text/plain charset=utf-8",
		"attachment; filename=a b c.txt":                       "attachment filename=a b c.txt",
		`attachment; filename="a;b.txt"`:                       "attachment filename=a;b.txt",
		`attachment; filename="C:\dir\a.txt"`:                  `attachment filename=C:\dir\a.txt`,
		"attachment; filename*=utf-8''%D0%BE.txt":              "attachment filename=о.txt",
		"attachment; filename*=%D0%BE.txt":                     "attachment filename=о.txt",
		"attachment; filename*1=b.txt; filename*0=a":           "attachment filename=ab.txt",
		"attachment; filename*0*=koi8-r''%CF; filename*1*=%D4": "attachment filename=от",
		"attachment; filename=x; filename*=utf-8''%D0%BE":      "attachment filename=о",
		"attachment; filename*x=1":                             "attachment filename*x=1",
		"":                                                     "",
	} {
		c := parseContent(in)
		got := c.value
		for k, v := range c.params {
			got += " " + k + "=" + v
		}
		if got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

func TestParseDate(t *testing.T) {
	want := time.Date(2026, 11, 20, 10, 15, 1, 0, time.UTC)
	for _, in := range []string{
		"Fri, 20 Nov 2026 10:15:01 +0000", "20 Nov 2026 10:15:01 GMT", "Fri, 20 Nov 2026 13:15:01 +0300 (MSK)",
		"Fri,  20 Nov 2026\r\n 10:15:01 UT", "Fri Nov 20 10:15:01 2026", "2026-11-20T10:15:01Z", "2026-11-20 10:15:01",
		"Fri, 20 Nov 26 10:15:01 +0000", "Friday, 20 November 2026 10:15:01 +0000",
	} {
		if got := parseDate(in); !got.Equal(want) {
			t.Errorf("%q is %v", in, got)
		}
	}
	for _, in := range []string{"", "yesterday", "Fri, 99 Nov 2026 10:15:01 +0000", "1 Jan 0001 00:00:00 +0000"} {
		if got := parseDate(in); !got.IsZero() {
			t.Errorf("%q is %v", in, got)
		}
	}
}

func TestCanonical(t *testing.T) {
	for _, s := range []string{
		"Broken screen", "Re: Broken screen", "RE:Broken  screen", "Re[2]: broken screen", "Re(3): Broken screen", "Re^2: Broken screen",
		"FWD: Fw: Re: Broken screen", "AW: WG: Broken screen", "Отв: Broken screen", "На: broken screen", "НА:BROKEN SCREEN",
		"Odg: Broken screen", "Одг: Broken screen", "Відп: Broken screen", "Ответ: Пересл: Broken screen", "Re：Broken screen",
		"Broken screen [CW-000123/abcdefghijklmnop]", "Re: [CW-000123/abcdefghijklmnop] Broken screen", " re :  Broken\r\n screen",
		"[EXTERNAL] Re: Broken screen", "Broken screen (fwd)", "SV: Broken screen",
	} {
		if got := Canonical(s); got != "broken screen" {
			t.Errorf("%q became %q", s, got)
		}
	}
	for in, want := range map[string]string{
		"": "", "Re:": "", "Recall: x": "recall: x", "Report: x": "report: x", "Наше дело: x": "наше дело: x", "ЭКРАН": "экран",
		"Re: Straße": "strasse", "[CW-1] x": "[cw-1] x",
	} {
		if got := Canonical(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
		if again := Canonical(Canonical(in)); again != Canonical(in) {
			t.Errorf("%q is not stable: %q", in, again)
		}
	}
}

// Who or what wrote a mail is told from its headers (E9).
func TestAutomatic(t *testing.T) {
	for _, test := range []struct{ headers, want string }{
		{"From: a@x.example", ""},
		{"Auto-Submitted: no", ""},
		{"Auto-Submitted: No (really)", ""},
		{"Auto-Submitted: auto-generated", "auto"},
		{"Auto-Submitted: auto-replied; x=y", "vacation"},
		{"auto-submitted: AUTO-NOTIFIED", "auto"},
		{"Precedence: bulk", "bulk"},
		{"Precedence: junk", "bulk"},
		{"Precedence: list", "list"},
		{"Precedence: auto_reply", "vacation"},
		{"Precedence: first-class", ""},
		{"X-Auto-Response-Suppress: All", "auto"},
		{"X-Auto-Response-Suppress: DR, OOF, AutoReply", "auto"},
		{"X-Auto-Response-Suppress: AutoReply", "auto"},
		{"X-Auto-Response-Suppress: DR, RN, NRN", ""},
		{"X-Auto-Response-Suppress: None", ""},
		{"X-Autoreply: yes", "vacation"},
		{"X-Autorespond: x", "vacation"},
		{"List-Id: <l.x.example>", "list"},
		{"List-Unsubscribe: <https://x.example>", "bulk"},
		{"Return-Path: <>", "auto"},
		{"Return-Path: < >", "auto"},
		{"Return-Path: <a@x.example>", ""},
		{"From: MAILER-DAEMON@x.example", "bounce"},
		{"From: Postmaster <postmaster@x.example>", "bounce"},
		{"From: Mail <Mailer-Daemon@x.example>\nReturn-Path: <>", "bounce"},
		{"X-Failed-Recipients: a@x.example", "bounce"},
		{"From: no-reply@x.example", "auto"},
		{"From: noreply@x.example", "auto"},
		{"From: NoReply-Orders@x.example", "auto"},
		{"From: do_not_reply+1@x.example", "auto"},
		{"From: norbert@x.example", ""},
		{"Content-Type: multipart/report; report-type=delivery-status; boundary=b", "bounce"},
		{"Content-Type: multipart/report; report-type=disposition-notification; boundary=b", "auto"},
		{"Content-Type: multipart/report; boundary=b", "auto"},
	} {
		if got := read(t, []byte(test.headers+"\n\nx")).Auto; got != test.want {
			t.Errorf("%q is %q, want %q", test.headers, got, test.want)
		}
	}
}

// Of several recipients the first that failed is reported (E12).
func TestReadReport(t *testing.T) {
	const head = "Reporting-MTA: dns; mx.x.example\nOriginal-Envelope-Id: e1\n\n"
	for name, test := range map[string]struct {
		status string
		want   *Report
	}{
		"first failed of several": {head + "Final-Recipient: rfc822; a@x\nAction: delivered\nStatus: 2.0.0\n\n" +
			"Final-Recipient: rfc822; b@x\nAction: failed\nStatus: 5.1.1\n\nFinal-Recipient: rfc822; c@x\nAction: failed\nStatus: 5.2.2\n",
			&Report{Recipient: "b@x", Action: "failed", Status: "5.1.1", OriginalEnvelopeID: "e1"}},
		"delayed": {head + "Final-Recipient: rfc822;a@x\nAction: Delayed (soon)\nStatus: 4.4.7 (expired)\n",
			&Report{Recipient: "a@x", Action: "delayed", Status: "4.4.7", OriginalEnvelopeID: "e1"}},
		"forwarded": {head + "Original-Recipient: rfc822; we@wrote.example\nFinal-Recipient: rfc822; other@x\nAction: failed\nStatus: 5.1.1\n",
			&Report{Recipient: "we@wrote.example", Action: "failed", Status: "5.1.1", OriginalEnvelopeID: "e1"}},
		"without a type, in brackets, with spaces between lines": {"\r\n\r\n" + strings.ReplaceAll(head, "\n", "\r\n") +
			"Final-Recipient: <a@x>\r\nAction: failed\r\nStatus: 550 5.1.1\r\nDiagnostic-Code: 550 no\r\n such user\r\n",
			&Report{Recipient: "a@x", Action: "failed", Status: "5.1.1", Diagnostic: "550 no such user", OriginalEnvelopeID: "e1"}},
		"an action nobody knows": {head + "Final-Recipient: rfc822;a@x\nAction: exploded\nStatus: 5.0.0\n",
			&Report{Recipient: "a@x", Action: "failed", Status: "5.0.0", OriginalEnvelopeID: "e1"}},
		"no recipient": {head, nil},
		"words":        {"Sorry.\n\nNo such user.", nil},
		"nothing":      {"", nil},
	} {
		if got := readReport([]byte(test.status)); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: got %+v, want %+v", name, got, test.want)
		}
	}
}
