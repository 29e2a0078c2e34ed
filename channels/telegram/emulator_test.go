package telegram

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"casewire/channels"
	"casewire/channels/channeltest"
)

// emulator is a Bot API server that we did not write, with controls for tests.
type emulator struct {
	t                    *testing.T
	server, token, steer string
}

// independent returns the emulator of the environment.
func independent(t *testing.T) *emulator {
	t.Helper()
	e := &emulator{t: t}
	for name, into := range map[string]*string{
		"TELEGRAM_SERVER_URL": &e.server, "TELEGRAM_BOT_TOKEN": &e.token, "TELEGRAM_CONTROL_URL": &e.steer,
	} {
		if *into = os.Getenv(name); *into == "" {
			if os.Getenv("CASEWIRE_REALSERVERS") == "required" {
				t.Fatalf("%s is not set, and CASEWIRE_REALSERVERS requires the server", name)
			}
			t.Skipf("%s is not set: no independent Bot API server to try", name)
		}
	}
	e.control("reset", map[string]any{})
	return e
}

// control steers the emulator and returns what it answers.
func (e *emulator) control(what string, body map[string]any) map[string]any {
	e.t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		e.t.Fatal(err)
	}
	resp, err := http.Post(e.steer+"/"+what, "application/json", bytes.NewReader(b))
	if err != nil {
		e.t.Fatal(err)
	}
	defer resp.Body.Close()
	var out map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		e.t.Fatal(err)
	}
	return out
}

type emulated struct {
	Method string           `json:"method"`
	Fields map[string]any   `json:"fields"`
	Files  []map[string]any `json:"files"`
	Errors []string         `json:"schema_errors"`
}

// calls returns what the bot asked for.
func (e *emulator) calls() []emulated {
	e.t.Helper()
	resp, err := http.Get(e.steer + "/calls")
	if err != nil {
		e.t.Fatal(err)
	}
	defer resp.Body.Close()
	var out []emulated
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		e.t.Fatal(err)
	}
	return out
}

func (e *emulator) says(more map[string]any) {
	e.t.Helper()
	message := map[string]any{
		"message_id": 9000 + len(more), "date": time.Now().Unix(), "chat": map[string]any{"id": customer, "type": "private", "first_name": "Olena"},
		"from": map[string]any{"id": customer, "is_bot": false, "first_name": "Olena", "language_code": "uk"},
	}
	for k, v := range more {
		message[k] = v
	}
	e.control("update", map[string]any{"token": e.token, "update": map[string]any{"message": message}})
}

// Against a server that others wrote, which checks every request by the published
// types: messages and files come in, everything that the door can send goes out,
// and no request is refused for its form.
func TestIndependentServer(t *testing.T) {
	e := independent(t)
	o := &office{t: t, house: channeltest.NewHouse(t)}
	o.cfg = NewConfig()
	o.cfg.Server, o.cfg.Token = e.server, channels.NewSecret(e.token)
	o.cfg.Limits.PerChat, o.cfg.Times.Album = time.Millisecond, 50*time.Millisecond
	o.start()
	e.says(map[string]any{"text": "hello", "message_id": 9001})
	from := o.message(1).From
	file := e.control("file", map[string]any{"base64": base64.StdEncoding.EncodeToString([]byte("a receipt")), "name": "r.txt", "type": "text/plain"})
	e.says(map[string]any{"message_id": 9002, "document": map[string]any{
		"file_id": file["file_id"], "file_unique_id": "u", "file_name": "r.txt", "file_size": file["file_size"],
	}})
	if m := o.message(2); len(m.Body.Files) != 1 || m.Body.Files[0].Size != 9 {
		t.Errorf("file: %+v, %q", m.Body, m.Broken)
	}
	o.send(channels.Outbound{
		ID: "m1", To: from, Case: "CW-000001", Answers: []string{o.door.names.message(customer, 9001)},
		Body: channels.Body{Text: "CW-000001 < done", Buttons: []channels.Button{{Label: "Yes", Data: "yes"}, {Label: "No", Data: "no"}}},
	})
	o.send(channels.Outbound{ID: "m2", To: from, Body: channels.Body{Text: "files", Files: []channels.File{
		o.kept("a.png", picture(t, 4, 4)), o.kept("a.txt", []byte("text")),
	}}})
	if err := o.door.Typing(o.ctx(), from); err != nil {
		t.Errorf("typing: %v", err)
	}
	if err := o.door.Probe(o.ctx()); err != nil {
		t.Errorf("probe: %v", err)
	}
	methods := map[string]bool{}
	for _, c := range e.calls() {
		methods[c.Method] = true
		if len(c.Errors) > 0 {
			t.Errorf("%s: %q", c.Method, c.Errors)
		}
	}
	for _, want := range []string{"sendMessage", "sendPhoto", "sendDocument", "sendChatAction", "getFile", "getMe"} {
		if !methods[want] {
			t.Errorf("%s was never called", want)
		}
	}
	for _, c := range e.calls() {
		if c.Method != "sendMessage" {
			continue
		}
		// Presses are made of what the server got, as a phone would.
		var markup struct {
			Rows [][]struct {
				Data string `json:"callback_data"`
			} `json:"inline_keyboard"`
		}
		if json.Unmarshal(fmt.Append(nil, c.Fields["reply_markup"]), &markup) != nil || len(markup.Rows) == 0 {
			t.Fatalf("reply_markup %v", c.Fields["reply_markup"])
		}
		e.control("update", map[string]any{"token": e.token, "update": map[string]any{"callback_query": map[string]any{
			"id": "77", "from": map[string]any{"id": customer, "is_bot": false, "first_name": "Olena"}, "chat_instance": "1", "data": markup.Rows[0][0].Data,
			"message": map[string]any{"message_id": 1, "date": 1, "chat": map[string]any{"id": customer, "type": "private"}},
		}}})
	}
	if m := o.message(3); m.Facts["button"] != "yes" {
		t.Errorf("press: %+v", m)
	}
}

// Its errors mean to the door what ours do.
func TestIndependentServerRefuses(t *testing.T) {
	e := independent(t)
	o := &office{t: t, house: channeltest.NewHouse(t)}
	o.cfg = NewConfig()
	o.cfg.Server, o.cfg.Token = e.server, channels.NewSecret(e.token)
	o.cfg.Limits.PerChat = time.Millisecond
	o.start()
	o.healthy("takes messages by polling")
	for i, test := range []struct {
		fault map[string]any
		want  channels.Reason
	}{
		{map[string]any{"status": 403, "description": "Forbidden: bot was blocked by the user"}, channels.Blocked},
		{map[string]any{"status": 400, "description": "Bad Request: chat not found"}, channels.BadAddress},
		{map[string]any{"status": 500}, channels.Unsure},
		{map[string]any{"drop": true}, channels.Unsure},
		{map[string]any{"status": 429, "retry_after": 1}, channels.Throttled},
	} {
		test.fault["method"] = "sendMessage"
		e.control("fault", test.fault)
		_, err := o.door.Send(o.ctx(), channels.Outbound{ID: fmt.Sprint("m", i), To: to(customer), Body: channels.Body{Text: "x"}})
		if got := reason(t, err); got.Reason != test.want || strings.Contains(err.Error(), e.token) {
			t.Errorf("%v: %v, want %s", test.fault, err, test.want)
		}
	}
	e.control("fault", map[string]any{"method": "getUpdates", "status": 409, "description": "Conflict: terminated by other getUpdates request"})
	e.says(map[string]any{"text": "wake"})
	o.healthy("used elsewhere")
	e.says(map[string]any{"text": "on", "message_id": 9002})
	o.message(2)
}
