package live_test

import (
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"casewire/routing/live"
)

func TestBadFrames(t *testing.T) {
	h := newHouse(t, live.Options{}, "anna")
	long := strings.Repeat("x", 300)
	for name, try := range map[string]struct {
		kind int
		data string
		code live.Code
		id   string
	}{
		"not JSON":              {websocket.TextMessage, `{"t":"hello"`, live.CodeBadJSON, ""},
		"nothing":               {websocket.TextMessage, ``, live.CodeBadJSON, ""},
		"a list":                {websocket.TextMessage, `["hello"]`, live.CodeBadJSON, ""},
		"two objects":           {websocket.TextMessage, `{"t":"hello"} {"t":"hello"}`, live.CodeBadJSON, ""},
		"wrong type of field":   {websocket.TextMessage, `{"id":"7","t":"claim","case":1}`, live.CodeBadJSON, "7"},
		"negative resume":       {websocket.TextMessage, `{"t":"hello","resume":{"epoch":"e","seq":-1}}`, live.CodeBadJSON, ""},
		"invalid UTF-8":         {websocket.TextMessage, "{\"t\":\"claim\",\"id\":\"\xff\"}", live.CodeNotUTF8, ""},
		"binary":                {websocket.BinaryMessage, `{"t":"hello"}`, live.CodeBinary, ""},
		"no type":               {websocket.TextMessage, `{"id":"7"}`, live.CodeMissing, "7"},
		"unknown type":          {websocket.TextMessage, `{"t":"drop table","id":"7"}`, live.CodeUnknownType, "7"},
		"claim without id":      {websocket.TextMessage, `{"t":"claim","case":"CW-000001"}`, live.CodeMissing, ""},
		"claim without case":    {websocket.TextMessage, `{"t":"claim","id":"7"}`, live.CodeMissing, "7"},
		"claim of no number":    {websocket.TextMessage, `{"t":"claim","id":"7","case":"../etc"}`, live.CodeBadField, "7"},
		"claim of a long case":  {websocket.TextMessage, `{"t":"claim","id":"7","case":"` + long + `"}`, live.CodeBadField, "7"},
		"long id":               {websocket.TextMessage, `{"t":"next","id":"` + long + `"}`, live.CodeBadField, ""},
		"unprintable id":        {websocket.TextMessage, `{"t":"next","id":"\u0000"}`, live.CodeBadField, ""},
		"next without id":       {websocket.TextMessage, `{"t":"next"}`, live.CodeMissing, ""},
		"release without claim": {websocket.TextMessage, `{"t":"release","id":"7","case":"CW-000001"}`, live.CodeMissing, "7"},
		"foreign queue":         {websocket.TextMessage, `{"t":"hello","queues":["general"]}`, live.CodeForbidden, ""},
		"empty queue":           {websocket.TextMessage, `{"t":"hello","queues":[""]}`, live.CodeBadField, ""},
		"many queues":           {websocket.TextMessage, `{"t":"hello","queues":["a"` + strings.Repeat(`,"a"`, 200) + `]}`, live.CodeBadField, ""},
		"watch before hello":    {websocket.TextMessage, `{"t":"watch","id":"7","case":"CW-000001"}`, live.CodeNoHello, "7"},
	} {
		t.Run(name, func(t *testing.T) {
			c := h.client("anna")
			if err := c.ws.WriteMessage(try.kind, []byte(try.data)); err != nil {
				t.Fatal(err)
			}
			f := c.until("error")
			if f.Code != try.code || f.ID != try.id || f.Detail == "" {
				t.Errorf("answer %s, want code %s and id %q", f.raw, try.code, try.id)
			}
			c.send(`{"t":"hello"}`) // and the socket goes on
			c.until("snapshot")
			c.ws.Close()
		})
	}
	for name, size := range map[string]int{"too large": 65<<10 + 1, "far too large": 2 << 20} {
		t.Run(name, func(t *testing.T) {
			c := h.client("anna")
			_ = c.ws.WriteMessage(websocket.TextMessage, []byte(`{"t":"`+strings.Repeat("x", size)+`"}`))
			if code := c.closed(); code != websocket.CloseMessageTooBig && code != 0 {
				t.Errorf("closed with %d, want 1009", code)
			}
		})
	}
	t.Run("unknown fields are for later versions", func(t *testing.T) {
		c := h.client("anna")
		c.send(`{"t":"hello","theme":"dark"}`)
		c.until("snapshot")
	})
}

func TestAbuseEndsTheSocket(t *testing.T) {
	h := newHouse(t, live.Options{}, "anna")
	t.Run("bad frames", func(t *testing.T) {
		c := h.client("anna")
		for range 12 {
			c.send(`{"t":"?"}`)
		}
		if code := c.closed(); code != websocket.ClosePolicyViolation {
			t.Errorf("closed with %d, want 1008", code)
		}
	})
	t.Run("too many frames", func(t *testing.T) {
		c := h.client("anna")
		go func() {
			for range 200 {
				if c.ws.WriteMessage(websocket.TextMessage, []byte(`{"t":"next","id":"1"}`)) != nil {
					return
				}
			}
		}()
		limited := false
		for {
			f, err := c.next()
			if err != nil {
				if !websocket.IsCloseError(err, websocket.ClosePolicyViolation) {
					t.Errorf("ended with %v, want 1008", err)
				}
				break
			}
			limited = limited || f.Code == live.CodeRateLimited
		}
		if !limited {
			t.Error("the socket was closed without a warning")
		}
	})
}
