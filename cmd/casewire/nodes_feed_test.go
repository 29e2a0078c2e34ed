package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"casewire/channels"
)

// feedVariable says how many changes TestFeedAcrossNodes makes, at 100 a second.
const feedVariable = "CASEWIRE_FEED_CHANGES"

// watcher is an operator's live socket that notes when it heard of each case.
type watcher struct {
	ws    *websocket.Conn
	over  chan struct{}
	heard map[string]chan time.Time // by case
}

// TestFeedAcrossNodes promises: an operator at one node is told of what customers
// write at another. It prints how soon; every message must be heard of.
func TestFeedAcrossNodes(t *testing.T) {
	const visitors, operators, rate = 40, 8, 100
	c := newCluster(t, clusterOptions{nodes: 2, workers: operators, doors: []channels.Kind{channels.WebChat}, lease: 15 * time.Second})
	c.start(c.nodes...)
	here, there := c.nodes[0], c.nodes[1]
	ctx, cancel := context.WithTimeout(t.Context(), 4*patience)
	defer cancel()
	h := &hour{cluster: c}
	var list []*visitor
	for i := range visitors {
		v := newVisitor(fmt.Sprintf("visitor %d", i), func() {})
		list = append(list, v)
		if err := v.connect(ctx, there.url()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(v.leave)
		if err := v.send(ctx, newWritten(v, h.words("My phone screen is broken ["), nil)); err != nil {
			t.Fatal(err)
		}
	}
	heard := map[string]chan time.Time{}
	for i, v := range list {
		o := c.workers[i%operators]
		o.url = here.url()
		if got, err := o.take(ctx, "/cases/"+v.caseNumber()+"/claim", ""); err != nil || got == nil {
			t.Fatalf("claim of %s: %v", v.caseNumber(), err)
		}
		heard[v.caseNumber()] = make(chan time.Time, 1000)
	}
	for i, o := range c.workers {
		var mine []string
		for k := i; k < len(list); k += operators {
			mine = append(mine, list[k].caseNumber())
		}
		w, err := watch(ctx, here.url(), o.cookie, mine, heard)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(w.close)
	}
	for _, v := range list { // nobody says when a watch has begun
		for first := false; !first; {
			if err := v.send(ctx, newWritten(v, h.words("Hello? ["), nil)); err != nil {
				t.Fatal(err)
			}
			select {
			case <-heard[v.caseNumber()]:
				first = true
			case <-time.After(time.Second):
			}
		}
	}
	changes := number(t, feedVariable, 200)
	var mu sync.Mutex
	var fromSend, fromAck []time.Duration
	var wg sync.WaitGroup
	turns := make(chan int)
	for _, v := range list {
		wg.Go(func() {
			for range turns {
				quiet(heard[v.caseNumber()])
				began := time.Now()
				if err := v.send(ctx, newWritten(v, h.words("And the glass ["), nil)); err != nil {
					t.Error(err)
					return
				}
				acked := time.Now()
				select {
				case at := <-heard[v.caseNumber()]:
					mu.Lock()
					fromSend, fromAck = append(fromSend, at.Sub(began)), append(fromAck, max(0, at.Sub(acked)))
					mu.Unlock()
				case <-time.After(patience / 4):
					t.Errorf("a message to %s was never heard of", v.caseNumber())
					return
				}
			}
		})
	}
	beat := time.NewTicker(time.Second / rate)
	defer beat.Stop()
	began := time.Now()
	for i := range changes {
		<-beat.C
		select {
		case turns <- i:
		case <-ctx.Done():
		}
	}
	close(turns)
	wg.Wait()
	took := time.Since(began)
	c.stop()
	if len(fromSend) != changes {
		t.Fatalf("%d of %d messages were heard of", len(fromSend), changes)
	}
	slices.Sort(fromSend)
	slices.Sort(fromAck)
	t.Logf("%.0f changes/s; sent at one node → on the screen at the other: p50 %v, p99 %v; after it was acknowledged: p50 %v, p99 %v",
		float64(changes)/took.Seconds(), part(fromSend, 50), part(fromSend, 99), part(fromAck, 50), part(fromAck, 99))
}

func part(sorted []time.Duration, percent int) time.Duration {
	return sorted[(len(sorted)-1)*percent/100].Round(100 * time.Microsecond)
}

// quiet forgets what was heard so far.
func quiet(heard chan time.Time) {
	for {
		select {
		case <-heard:
		default:
			return
		}
	}
}

// watch opens an operator's socket and follows these cases, as their pages do.
func watch(ctx context.Context, url, cookie string, numbers []string, heard map[string]chan time.Time) (*watcher, error) {
	dial := websocket.Dialer{Subprotocols: []string{"casewire.live.v1"}, HandshakeTimeout: patience}
	ws, res, err := dial.DialContext(ctx, "ws"+strings.TrimPrefix(url, "http")+"/api/v1/live",
		http.Header{"Origin": {url}, "Cookie": {"casewire_session=" + cookie}})
	if err != nil {
		return nil, fmt.Errorf("open a live socket: %w", err)
	}
	_ = res.Body.Close()
	w := &watcher{ws: ws, over: make(chan struct{}), heard: heard}
	if err := ws.WriteJSON(map[string]any{"t": "hello"}); err != nil {
		return nil, err
	}
	for _, n := range numbers {
		if err := ws.WriteJSON(map[string]any{"t": "watch", "case": n}); err != nil {
			return nil, err
		}
	}
	go w.read()
	return w, nil
}

func (w *watcher) read() {
	defer close(w.over)
	for {
		_, data, err := w.ws.ReadMessage()
		if err != nil {
			return
		}
		now := time.Now()
		var f struct {
			T    string `json:"t"`
			Case string `json:"case"`
		}
		if json.Unmarshal(data, &f) != nil || f.T != "changed" {
			continue // other frames name cases in other ways
		}
		if ch := w.heard[f.Case]; ch != nil {
			select {
			case ch <- now:
			default:
			}
		}
	}
}

func (w *watcher) close() {
	_ = w.ws.Close()
	<-w.over
}
