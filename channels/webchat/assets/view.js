// The conversation as a list, in the order of the server's numbers (seq). What is
// still on its way stands at the end.

import { el, icon, linked, fill } from './text.js';
import { attachment } from './files.js';

export class View {
  #shown = new Map(); // by seq: {frame, node}
  #waiting = new Map(); // by id: node
  #stick = true;

  constructor({ list, scroller, settings, format, home, token, choose, retry, discard }) {
    Object.assign(this, { list, scroller, settings, format, home, token, choose, retry, discard });
    // Only a person who scrolls up stops following; a page that grows does not.
    let height = 0;
    scroller.addEventListener('scroll', () => {
      const { scrollHeight, clientHeight, scrollTop } = scroller;
      const low = scrollHeight - scrollTop - clientHeight < 80;
      if (low || scrollHeight + clientHeight === height) this.#stick = low;
      height = scrollHeight + clientHeight;
      this.onscroll?.(this.#stick);
    }, { passive: true });
    const grown = new ResizeObserver(() => this.#stick && this.bottom());
    grown.observe(scroller);
    grown.observe(scroller.firstElementChild);
  }

  get last() { return Math.max(0, ...this.#shown.keys()); }
  get first() { return Math.min(...this.#shown.keys()); }
  get empty() { return !this.#shown.size && !this.#waiting.size; }
  get frames() { return [...this.#shown.values()].map((s) => s.frame).sort((a, b) => a.seq - b.seq); }
  has(seq) { return this.#shown.has(seq); }

  clear() {
    this.#shown.forEach(({ node }) => node.remove());
    this.#shown.clear();
  }

  /** Shows a line in its place, once, and says whether it is new. */
  line(frame) {
    const known = this.#shown.get(frame.seq);
    if (frame.id) this.settled(frame.id);
    if (known && !known.frame.local) return false;
    const node = this.#draw(frame);
    if (known) known.node.replaceWith(node);
    else {
      const before = [...this.#shown.keys()].filter((s) => s < frame.seq);
      const prev = before.length ? this.#shown.get(Math.max(...before)).node : null;
      if (prev) prev.after(node); else this.list.prepend(node);
    }
    this.#shown.set(frame.seq, { frame, node });
    this.#soon();
    return !known;
  }

  /** Shows a message on its way; failed says why it will not arrive. */
  pending(m, failed) {
    this.settled(m.id);
    const { words } = this.settings;
    const node = this.#draw({ from: 'visitor', text: m.text, files: m.files, at: m.at, local: true });
    const state = node.querySelector('.meta');
    if (failed) {
      node.classList.add('failed');
      const again = el('button', { type: 'button', className: 'text', textContent: words.retry, onclick: () => this.retry(m) });
      const drop = el('button', { type: 'button', className: 'text', textContent: words.discard, onclick: () => this.discard(m) });
      state.replaceChildren(icon('alert'), failed, again, drop);
    } else state.replaceChildren(icon('clock'), words.sending);
    this.#waiting.set(m.id, node);
    this.list.append(node);
    this.#soon();
  }

  /** Words under messages that wait, as the connection comes and goes. */
  waiting(up) {
    const { words } = this.settings;
    this.#waiting.forEach((node) => {
      if (!node.classList.contains('failed')) node.querySelector('.meta').replaceChildren(icon('clock'), up ? words.sending : words.unsent);
    });
  }

  settled(id) { this.#waiting.get(id)?.remove(); this.#waiting.delete(id); }

  bottom() { this.scroller.scrollTop = this.scroller.scrollHeight; }

  /** Puts older lines on top without moving what is being read. */
  older(frames) {
    const from = this.scroller.scrollHeight - this.scroller.scrollTop;
    frames.forEach((f) => this.line(f));
    this.#tidy();
    this.scroller.scrollTop = this.scroller.scrollHeight - from;
  }

  #draw(f) {
    const { words, title } = this.settings;
    const mine = f.from === 'visitor', at = new Date(f.at);
    const body = el('div', { className: 'body' });
    if (f.t === 'status') body.append(el('strong', { className: 'state' }, icon('flag'), f.status));
    if (f.text) body.append(el('p', {}, linked(f.text)));
    (f.files || []).forEach((x) => body.append(attachment(this, f.seq, x)));
    const when = el('time', { dateTime: at.toISOString(), title: this.format.full.format(at), textContent: this.format.clock.format(at) });
    const meta = el('span', { className: 'meta' }, when, mine ? el('span', { className: 'tick', title: words.sent }, icon('check'), el('span', { className: 'hush', textContent: words.sent })) : null);
    const who = mine ? words.you : f.name || title;
    const node = el('li', { className: `${mine ? 'mine' : 'ours'} ${f.from} ${f.t || ''}` },
      el('span', { className: mine ? 'who hush' : 'who', textContent: f.from === 'auto' ? `${who} · ${words.auto}` : who }), body);
    if (f.buttons) node.append(this.#buttons(f));
    node.append(meta);
    node.at = at;
    node.from = f.from + (f.name || '');
    return node;
  }

  #buttons(f) {
    const box = el('div', { className: 'buttons' });
    box.setAttribute('role', 'group');
    f.buttons.forEach((b) => box.append(el('button', { type: 'button', textContent: b.label, onclick: () => this.choose(f.seq, b) })));
    return box;
  }

  #soon() {
    if (this.due) return;
    this.due = true;
    requestAnimationFrame(() => { this.due = false; this.#tidy(); if (this.#stick) this.bottom(); });
  }

  // Days, runs of one author, and which buttons have been used: all of it follows
  // from the lines, so that a reload shows the same.
  #tidy() {
    let prev = null, asked = null;
    for (const node of this.list.children) {
      const day = this.format.day(node.at), turn = !prev || this.format.day(prev.at) !== day;
      if (turn) node.dataset.day = day; else delete node.dataset.day;
      node.classList.toggle('follows', !turn && prev.from === node.from && node.at - prev.at < 3e5 && !prev.matches('.status'));
      const box = node.querySelector('.buttons');
      if (box) asked = box;
      const said = asked && node.matches('.mine') ? node.querySelector('p')?.textContent : null;
      const chosen = said && [...asked.children].find((b) => b.textContent === said);
      if (chosen) {
        [...asked.children].forEach((b) => { b.disabled = true; });
        chosen.setAttribute('aria-pressed', 'true');
        asked = null;
      }
      prev = node;
    }
    this.ontidy?.(prev);
  }
}
