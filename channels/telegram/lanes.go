package telegram

import (
	"context"
	"sync"
)

// lanes do the work of different chats side by side and that of one chat in the
// order it came. Their methods are safe for concurrent use.
type lanes struct {
	room chan struct{} // one for each that may work at once

	mu    sync.Mutex
	open  bool
	queue map[int64][]job
	wg    sync.WaitGroup
}

type job struct {
	ctx context.Context
	do  func(context.Context)
}

func newLanes(n int) *lanes {
	return &lanes{room: make(chan struct{}, n), queue: map[int64][]job{}}
}

// start lets work be put.
func (l *lanes) start() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = true
}

// put has do called after everything that was put before it for the chat. Once
// ctx is done or the lanes are stopped it may not be called at all.
func (l *lanes) put(ctx context.Context, chat int64, do func(context.Context)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.open {
		return
	}
	waiting, running := l.queue[chat]
	l.queue[chat] = append(waiting, job{ctx, do})
	if !running {
		l.wg.Go(func() { l.drain(chat) })
	}
}

func (l *lanes) drain(chat int64) {
	for {
		l.mu.Lock()
		waiting := l.queue[chat]
		if len(waiting) == 0 {
			delete(l.queue, chat)
			l.mu.Unlock()
			return
		}
		j := waiting[0]
		l.queue[chat] = waiting[1:]
		l.mu.Unlock()
		select {
		case <-j.ctx.Done():
		case l.room <- struct{}{}:
			if j.ctx.Err() == nil {
				j.do(j.ctx)
			}
			<-l.room
		}
	}
}

// stop takes nothing more and returns when what was put is done.
func (l *lanes) stop() {
	l.mu.Lock()
	l.open = false
	l.mu.Unlock()
	l.wg.Wait()
}
