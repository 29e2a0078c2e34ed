package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"

	"casewire/casecore"
)

// worker is an operator who works over the HTTP API and remembers every write
// that was answered with success.
type worker struct {
	login, id, cookie string
	tick              func()
	patient           bool         // who is told to come again later is cut off, and does
	client            *http.Client // nil: once

	mu   sync.Mutex
	url  string
	done []deed
}

// deed is a write that was acknowledged.
type deed struct {
	verb    string // claim, messages (an answer), notes, status, release
	by      string // the operator's id
	number  string // of the case
	message string // id, of an answer or a note
	text    string
	to      string // of a status
	key     string // of an answer or a note
	claimNo int64
	version uint64 // of the case after it
}

// apiCase is a case as the API shows it.
type apiCase struct {
	Number  string `json:"number"`
	Queue   string `json:"queue"`
	Status  string `json:"status"`
	Version uint64 `json:"version"`
	ClaimNo int64  `json:"claim_no"`
	Owner   *struct {
		ID string `json:"id"`
	} `json:"owner"`
}

func (c *apiCase) owner() string {
	if c.Owner == nil {
		return ""
	}
	return c.Owner.ID
}

// reply is an answer of the API.
type reply struct {
	status   int
	replayed bool
	body     []byte
}

// problem is a refusal.
func (r *reply) problem() (code, holder string) {
	var p struct {
		Code   string `json:"code"`
		Holder *struct {
			ID string `json:"id"`
		} `json:"holder"`
	}
	if json.Unmarshal(r.body, &p) == nil && p.Holder != nil {
		holder = p.Holder.ID
	}
	return p.Code, holder
}

func (r *reply) error(what string) error {
	return fmt.Errorf("%s: answered %d: %s", what, r.status, r.body)
}

// do sends a request; a request that gets no whole answer is errCut.
func (o *worker) do(ctx context.Context, method, path, key string, in any) (*reply, error) {
	o.mu.Lock()
	base := o.url
	o.mu.Unlock()
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, base+"/api/v1"+path, body)
	if err != nil {
		return nil, err
	}
	req.AddCookie(&http.Cookie{Name: "casewire_session", Value: o.cookie})
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	o.tick()
	client := once
	if o.client != nil {
		client = o.client
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errCut, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errCut, err)
	}
	o.tick()
	if o.patient && res.StatusCode == http.StatusServiceUnavailable {
		return nil, errCut
	}
	return &reply{res.StatusCode, res.Header.Get("Idempotent-Replayed") == "true", b}, nil
}

func (o *worker) remember(d deed) {
	o.mu.Lock()
	defer o.mu.Unlock()
	d.by = o.id
	o.done = append(o.done, d)
}

// deeds returns what was acknowledged so far.
func (o *worker) deeds() []deed {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]deed(nil), o.done...)
}

// take claims a case, by number or as the next of a queue, and reports what it
// got; nil means that somebody else has it.
func (o *worker) take(ctx context.Context, path, key string) (*apiCase, error) {
	r, err := o.do(ctx, http.MethodPost, path, key, nil)
	if err != nil {
		return nil, err
	}
	if code, holder := r.problem(); r.status == http.StatusConflict && code == "taken" && holder != "" && holder != o.id {
		return nil, nil
	}
	if r.status != http.StatusOK {
		return nil, r.error(o.login + " claims " + path)
	}
	var c apiCase
	if err := json.Unmarshal(r.body, &c); err != nil {
		return nil, err
	}
	if c.owner() != o.id {
		return nil, r.error(o.login + " was given a case that is not theirs")
	}
	o.remember(deed{verb: "claim", number: c.Number, claimNo: c.ClaimNo, version: c.Version})
	return &c, nil
}

// say writes an answer ("messages") or a note ("notes") under a key of its own.
func (o *worker) say(ctx context.Context, what, number, text, key string, claimNo int64) (*reply, error) {
	body := map[string]any{"text": text}
	if what == "messages" {
		body["claim_no"] = claimNo
	}
	r, err := o.do(ctx, http.MethodPost, "/cases/"+number+"/"+what, key, body)
	if err != nil {
		return nil, err
	}
	if r.status != http.StatusCreated {
		return nil, r.error(o.login + " writes to " + number)
	}
	return r, nil
}

// messageOf reads the id of the message that was written, and the case's version.
func messageOf(r *reply) (id string, version uint64, err error) {
	var out struct {
		Message struct {
			ID string `json:"id"`
		} `json:"message"`
		Case apiCase `json:"case"`
	}
	err = json.Unmarshal(r.body, &out)
	return out.Message.ID, out.Case.Version, err
}

// change moves a case to a status or releases it. Whoever asks again because no
// answer came looks first whether it is done.
func (o *worker) change(ctx context.Context, number string, claimNo int64, status string, again bool) error {
	path, body, d := "/cases/"+number+"/release", map[string]any{"claim_no": claimNo, "reason": "lunch"}, deed{verb: "release", number: number, claimNo: claimNo}
	if status != "" {
		path, body = "/cases/"+number+"/status", map[string]any{"to": status, "claim_no": claimNo}
		d.verb, d.to = "status", status
	}
	if again {
		r, err := o.do(ctx, http.MethodGet, "/cases/"+number, "", nil)
		if err != nil {
			return err
		}
		var c apiCase
		// A released case that waits again is hidden from operators.
		isReleased := status == "" && r.status == http.StatusForbidden
		if !isReleased {
			if r.status != http.StatusOK {
				return r.error(o.login + " looks at " + number)
			}
			if err := json.Unmarshal(r.body, &c); err != nil {
				return err
			}
		}
		if isReleased || status != "" && c.Status == status {
			d.version = c.Version
			o.remember(d)
			return nil
		}
	}
	r, err := o.do(ctx, http.MethodPost, path, "", body)
	if err != nil {
		return err
	}
	if r.status != http.StatusOK {
		return r.error(o.login + " changes " + number)
	}
	var c apiCase
	if err := json.Unmarshal(r.body, &c); err != nil {
		return err
	}
	d.version = c.Version
	o.remember(d)
	return nil
}

// cards lists the numbers of the cases that wait in a queue, sorted.
func (o *worker) cards(ctx context.Context, queue string) ([]string, error) {
	r, err := o.do(ctx, http.MethodGet, "/queues/"+queue+"/cards", "", nil)
	if err != nil {
		return nil, err
	}
	var out struct {
		Items []struct {
			Number string `json:"number"`
		} `json:"items"`
	}
	if err := json.Unmarshal(r.body, &out); err != nil || r.status != http.StatusOK {
		return nil, r.error(o.login + " looks at " + queue)
	}
	var numbers []string
	for _, c := range out.Items {
		numbers = append(numbers, c.Number)
	}
	slices.Sort(numbers)
	return numbers, nil
}

// seen is what a case's timeline shows.
type seen struct {
	files int // attachments
	calls int // calls that ended
}

// timeline reads the timeline of a case that the operator holds.
func (o *worker) timeline(ctx context.Context, number string) (seen, error) {
	var s seen
	for next := ""; ; {
		r, err := o.do(ctx, http.MethodGet, "/cases/"+number+"/timeline?limit=200&cursor="+url.QueryEscape(next), "", nil)
		if err != nil {
			return seen{}, err
		}
		var out struct {
			Items []struct {
				Kind    string `json:"kind"`
				Message *struct {
					Files []json.RawMessage `json:"files"`
				} `json:"message"`
			} `json:"items"`
			Next string `json:"next_cursor"`
		}
		if err := json.Unmarshal(r.body, &out); err != nil || r.status != http.StatusOK {
			return seen{}, r.error(o.login + " reads " + number)
		}
		for _, e := range out.Items {
			if e.Message != nil && e.Kind != string(casecore.CallTaken) {
				s.files += len(e.Message.Files)
			}
			if e.Kind == string(casecore.CallMade) {
				s.calls++
			}
		}
		if next = out.Next; next == "" {
			return s, nil
		}
	}
}

// repeat asks again for the last answer or note that was acknowledged: the key
// makes it the same one.
func (o *worker) repeat(ctx context.Context) error {
	for _, d := range slices.Backward(o.deeds()) {
		if d.key == "" {
			continue
		}
		r, err := o.say(ctx, d.verb, d.number, d.text, d.key, d.claimNo)
		if err != nil {
			return err
		}
		if id, _, err := messageOf(r); err != nil || id != d.message || !r.replayed {
			return fmt.Errorf("%s repeats %q under its key and gets message %s (replayed: %v), want %s again", o.login, d.text, id, r.replayed, d.message)
		}
		return nil
	}
	return nil
}
