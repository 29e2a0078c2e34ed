package sms

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"casewire/channels"
)

const (
	// maxMedia is how many files one message may have; Twilio's limit is 10.
	maxMedia = 10
	// maxJobs is how many messages may wait for their files. Beyond that webhooks
	// with files are refused, and come again.
	maxJobs = 1000
	// mediaTries is how often files are asked for before the message is handed over
	// without them: over about an hour.
	mediaTries = 10
)

// job is the files of one message that are to be fetched.
type job struct {
	SID   string    `json:"sid"`
	From  string    `json:"from"`
	To    string    `json:"to"`
	URLs  []string  `json:"urls,omitempty"` // none: to be asked
	At    time.Time `json:"at"`
	Tries int       `json:"tries,omitempty"`
	Next  time.Time `json:"next"`
}

// queue is the jobs, in the door's memory. Several processes may change it.
type queue struct {
	state channels.Memory
	wake  chan struct{}
	mu    sync.Mutex // spares quarrels within this process
}

const queueKey = "media"

// change writes what do makes of the jobs and returns it. do may run several times.
func (q *queue) change(ctx context.Context, do func([]job) ([]job, error)) ([]job, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		old, jobs, err := q.load(ctx)
		if err != nil {
			return nil, err
		}
		next, err := do(jobs)
		if err != nil {
			return nil, err
		}
		b, err := json.Marshal(next)
		if err != nil {
			return nil, fmt.Errorf("write files to fetch: %w", err)
		}
		ok, err := q.state.Swap(ctx, queueKey, old, b)
		if err != nil {
			return nil, fmt.Errorf("write files to fetch: %w", err)
		}
		if ok {
			return next, nil
		}
	}
}

func (q *queue) load(ctx context.Context) (raw []byte, jobs []job, err error) {
	raw, err = q.state.Load(ctx, queueKey)
	if errors.Is(err, channels.ErrNotFound) {
		return nil, nil, nil
	}
	if err == nil {
		err = json.Unmarshal(raw, &jobs)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read files to fetch: %w", err)
	}
	return raw, jobs, nil
}

// add notes a job, once for each message.
func (q *queue) add(ctx context.Context, j job) error {
	_, err := q.change(ctx, func(jobs []job) ([]job, error) {
		switch {
		case slices.ContainsFunc(jobs, func(k job) bool { return k.SID == j.SID }):
			return jobs, nil
		case len(jobs) >= maxJobs:
			return nil, errors.New("too many files wait to be fetched")
		}
		return append(jobs, j), nil
	})
	return err
}

// done removes a job.
func (q *queue) done(ctx context.Context, sid string) error {
	_, err := q.change(ctx, func(jobs []job) ([]job, error) {
		return slices.DeleteFunc(jobs, func(j job) bool { return j.SID == sid }), nil
	})
	return err
}

// put writes a job back with its tries.
func (q *queue) put(ctx context.Context, again job) error {
	_, err := q.change(ctx, func(jobs []job) ([]job, error) {
		for i := range jobs {
			if jobs[i].SID == again.SID {
				jobs[i] = again
			}
		}
		return jobs, nil
	})
	return err
}

func (q *queue) rouse() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// fetchMedia fetches files and hands them over until ctx is done.
func (d *Door) fetchMedia(ctx context.Context, in channels.Sink) {
	var known map[string]bool
	for all := true; ctx.Err() == nil; {
		var wait time.Duration
		known, wait = d.fetchDue(ctx, in, all, known)
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-d.media.wake:
			all = true // a message with files has come here
		case <-t.C:
			all = false
		}
		t.Stop()
	}
}

// fetchDue tries the jobs that are due: all of them, or those that were known at the
// last look. What is newer another process has noted, which is about to fetch it if it
// is alive. It returns what is known now, by SID, and when to look again.
func (d *Door) fetchDue(ctx context.Context, in channels.Sink, all bool, known map[string]bool) (now map[string]bool, wait time.Duration) {
	const often, seldom = 5 * time.Second, 10 * time.Second
	_, jobs, err := d.media.load(ctx)
	if err != nil {
		d.trouble(ctx, "files", err)
		return known, often
	}
	now, wait = make(map[string]bool, len(jobs)), seldom
	for _, j := range jobs {
		now[j.SID] = true
		if !all && !known[j.SID] {
			continue
		}
		if ahead := j.Next.Sub(d.env.Now()); ahead > 0 {
			wait = min(wait, ahead)
			continue
		}
		next, err := d.fetchJob(ctx, in, j)
		if err != nil {
			d.trouble(ctx, "files", err)
			next = often
		}
		if next > 0 {
			wait = min(wait, next)
		}
		if ctx.Err() != nil {
			return now, often
		}
	}
	return now, wait
}

// trouble logs an error that will be met again.
func (d *Door) trouble(ctx context.Context, what string, err error) {
	if held, ok := d.quiet.may(what); ok && ctx.Err() == nil {
		d.log.WarnContext(ctx, "work put off", "what", what, "err", err, "held_back", held)
	}
}

// fetchJob fetches the files of one message and hands them over. What fails for
// good is said in the message; next is when to try again what may yet succeed.
func (d *Door) fetchJob(ctx context.Context, in channels.Sink, j job) (next time.Duration, err error) {
	files, broken, err := d.fetchAll(ctx, j)
	if err != nil && j.Tries+1 < mediaTries {
		next = min(5*time.Second<<j.Tries, 15*time.Minute)
		j.Tries, j.Next = j.Tries+1, d.env.Now().Add(next)
		d.trouble(ctx, "files", err)
		return next, d.media.put(ctx, j)
	}
	if err != nil {
		broken = "a file could not be fetched: " + err.Error()
	}
	if broken != "" {
		d.count.mediaFailed.Add(1)
	}
	msg := channels.Inbound{
		Channel: d.env.ID, ExternalID: j.SID + "/media", From: channels.Address{Kind: channels.SMS, Handle: j.From},
		To: []channels.Address{{Kind: channels.SMS, Handle: j.To}}, Refs: []string{j.SID + "/media"}, Answers: []string{j.SID},
		Body: channels.Body{Files: files}, Facts: map[string]string{"number": j.To}, Broken: broken,
		SentAt: j.At, Received: d.env.Now(),
	}
	if err := in.Message(ctx, msg); err != nil {
		return 0, fmt.Errorf("hand over files: %w", err)
	}
	d.count.media.Add(int64(len(files)))
	return 0, d.media.done(ctx, j.SID)
}

// fetchAll fetches the files of a message. broken says what is lost for good; err
// is what another try may mend.
func (d *Door) fetchAll(ctx context.Context, j job) (files []channels.File, broken string, err error) {
	urls := j.URLs
	if len(urls) == 0 {
		if urls, err = d.api.mediaURLs(ctx, j.SID); err != nil {
			return nil, "", err
		}
	}
	for i, address := range urls[:min(len(urls), maxMedia)] {
		f, err := d.fetch(ctx, address, i+1)
		switch {
		case errors.Is(err, errForeign):
			broken = "a file is not at the provider and was not fetched"
		case errors.Is(err, channels.ErrTooLarge):
			broken = "a file is larger than " + strconv.FormatInt(d.cfg.Limits.MediaBytes, 10) + " bytes"
		case err != nil:
			return files, "", err
		default:
			files = append(files, f)
		}
	}
	return files, broken, nil
}

// fetch stores one file. Its type is told by its content, not by the provider (S8).
func (d *Door) fetch(ctx context.Context, address string, n int) (channels.File, error) {
	ctx, cancel := context.WithTimeout(ctx, 4*d.cfg.Limits.Call)
	defer cancel()
	resp, err := d.ask(ctx, address)
	if err != nil {
		return channels.File{}, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return channels.File{}, &refusal{status: resp.StatusCode}
	}
	f, err := d.env.Files.Put(ctx, "mms-"+strconv.Itoa(n)+suffix(resp.Header.Get("Content-Type")), resp.Body, d.cfg.Limits.MediaBytes)
	if err != nil {
		return channels.File{}, fmt.Errorf("store a file: %w", err)
	}
	return f, nil
}

// ask requests a file with the account's password, which goes to the API only and
// not to where it redirects.
func (d *Door) ask(ctx context.Context, address string) (*http.Response, error) {
	c := &http.Client{Transport: d.guard, CheckRedirect: func(_ *http.Request, via []*http.Request) error {
		if len(via) > 4 {
			return errors.New("too many redirects")
		}
		return nil
	}}
	u, err := url.Parse(address)
	if err != nil {
		return nil, errForeign
	}
	var resp *http.Response
	for _, token := range d.api.tokens {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
		if err != nil {
			return nil, errForeign
		}
		req.SetBasicAuth(d.api.account, token)
		if resp, err = c.Do(req); err != nil {
			return nil, &refusal{err: bare(err)}
		}
		if resp.StatusCode != http.StatusUnauthorized {
			return resp, nil
		}
		_, _ = io.CopyN(io.Discard, resp.Body, 4<<10)
		resp.Body.Close()
	}
	return nil, &refusal{status: http.StatusUnauthorized}
}

// suffix returns the ending of names of a type.
func suffix(kind string) string {
	return map[string]string{
		"image/jpeg": ".jpg", "image/png": ".png", "image/gif": ".gif", "image/webp": ".webp", "image/heic": ".heic",
		"video/mp4": ".mp4", "video/3gpp": ".3gp", "audio/mpeg": ".mp3", "audio/amr": ".amr", "audio/ogg": ".ogg",
		"application/pdf": ".pdf", "text/vcard": ".vcf", "text/x-vcard": ".vcf", "text/plain": ".txt",
	}[kind]
}
