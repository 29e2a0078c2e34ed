// The chat: brings together the connection, the outbox, the page and, when the
// chat is embedded, the site around it.

import { get, put, Outbox } from './store.js';
import { Link } from './link.js';
import { View } from './view.js';
import { Tray } from './files.js';
import { Format, el, icon, fill } from './text.js';

const settings = JSON.parse(document.getElementById('settings').textContent);
const { words } = settings;
const $ = (id) => document.getElementById(id);
const home = new URL('.', location.href);
const prefix = `casewire.${settings.channel}`;
const outbox = new Outbox(prefix);
const format = new Format(settings.lang);
const touch = matchMedia('(pointer: coarse)').matches;
const ACK = 15000; // after it, a message is sent again

let token = get(`${prefix}.token`) || '';
let site = { page: '', identity: '' };
let parentOrigin = '', open = parent === window, seen = 0, busy = null, release = null;
const failed = new Map(); // id of a message: why it is not taken

const view = new View({
  list: $('lines'), scroller: $('scroll'), settings, format, home, token: () => token, choose,
  retry(m) { failed.delete(m.id); view.pending(m); pump(); },
  discard(m) { outbox.remove(m.id); failed.delete(m.id); view.settled(m.id); refresh(); },
});
const tray = new Tray({ box: $('tray'), settings, format, home, token: () => token, changed: composer, problem: notice });

const address = new URL('ws', home);
address.protocol = home.protocol.replace('http', 'ws');
const link = new Link(address, {
  hello: () => {
    token = get(`${prefix}.token`) || token;
    return { channel: settings.channel, token, last_seq: view.last, language: settings.lang, ...site };
  },
  frame: receive,
  state(up) {
    $('offline').hidden = up;
    view.waiting(up);
    busy = null;
    if (up) { tray.retry(); adopt(); pump(); look(); } else $('typing').hidden = true;
  },
  gone(code) {
    $('offline').hidden = false;
    // Revoked: unless another tab has been given a newer token already.
    if (code === 4401 && get(`${prefix}.token`) === token) forget();
  },
});

// Two tabs that open at once must not become two visitors: the first hello
// without a token is alone until it is answered.
function start() {
  if (token || !navigator.locks) { link.wake(); return; }
  navigator.locks.request(prefix, () => new Promise((done) => {
    release = done;
    setTimeout(done, 5000);
    link.wake();
  }));
}

function forget() { token = ''; put(`${prefix}.token`, null); view.clear(); refresh(); }

function receive(f) {
  if (f.t === 'welcome') {
    token = f.token;
    put(`${prefix}.token`, token);
    release?.();
    if (f.truncated) view.clear();
    f.messages.forEach(show);
    standing(f);
  } else if (f.t === 'message' || f.t === 'status' && f.text) show(f);
  else if (f.t === 'status') standing(f);
  else if (f.t === 'ack') acked(f);
  else if (f.t === 'typing') typing();
  else if (f.t === 'read') { seen = Math.max(seen, f.seq); look(); }
  else if (f.t === 'history') { view.older(f.messages); refresh(); }
  else if (f.t === 'error') refused(f);
}

function show(f) {
  if (f.id) { outbox.remove(f.id); if (busy?.id === f.id) { busy = null; pump(); } }
  if (f.read) seen = Math.max(seen, f.seq);
  if (view.line(f) && f.from !== 'visitor') $('typing').hidden = true;
  refresh();
  look();
}

/** Where the case stands, in the head of the page. */
function standing(f) {
  $('case').textContent = f.case || '';
  $('status').textContent = f.status || '';
  $('standing').hidden = !f.case;
  $('subtitle').hidden = !!f.case;
  refresh();
}

// Messages go out one by one, each after the last was acknowledged: they arrive
// in the order they were written.
function pump() {
  if (busy || !link.up) return;
  const m = outbox.all().find((x) => !failed.has(x.id));
  if (!m) return;
  const frame = m.choose ? { t: 'choose', id: m.id, ...m.choose }
    : { t: 'send', id: m.id, text: m.text, files: (m.files || []).map((x) => x.id) };
  if (!link.send(frame)) return;
  later(m, ACK);
}

function later(m, wait) {
  busy = m;
  setTimeout(() => { if (busy === m) { busy = null; pump(); } }, wait);
}

function acked({ id, seq }) {
  const m = outbox.all().find((x) => x.id === id);
  outbox.remove(id);
  if (busy?.id === id) busy = null;
  if (m && seq && !view.has(seq)) show({ t: 'message', seq, id, from: 'visitor', text: m.text, files: m.files, at: m.at, local: true });
  view.settled(id);
  if (parentOrigin) tell('kept');
  pump();
}

function refused({ code, id, retry_after: wait }) {
  if (code === 'token_expired') {
    if (!view.empty) notice(words.expired);
    forget();
    return;
  }
  const m = id && outbox.all().find((x) => x.id === id);
  if (!m) return;
  if (code === 'rate_limited' || code === 'try_again') {
    if (code === 'rate_limited') notice(words.slower);
    later(m, (wait || 2) * 1000);
    return;
  }
  busy = null;
  failed.set(id, words[`no_${code}`] || words.failed);
  view.pending(m, failed.get(id));
  pump();
}

/** Takes over what a closed tab or an earlier visit left unsent. */
function adopt() { outbox.all().forEach((m) => failed.has(m.id) || view.pending(m)); view.waiting(link.up); }

function write(message) {
  const m = outbox.add(message);
  view.pending(m);
  view.waiting(link.up);
  view.bottom();
  refresh();
  pump();
  link.wake();
}

function choose(message, button) { write({ text: button.label, choose: { message, button: button.id } }); }

function send() {
  const text = $('text').value.trim();
  if ($('send').disabled) return;
  write({ text, files: tray.take() });
  $('text').value = '';
  composer();
  $('text').focus();
}

function composer() {
  const box = $('text'), left = settings.text - [...box.value.trim()].length;
  box.style.height = 'auto';
  box.style.height = `${Math.min(box.scrollHeight, 144)}px`;
  $('send').disabled = tray.busy || left < 0 || (tray.empty && !box.value.trim());
  $('left').textContent = left < 200 ? fill(words.left, { n: left }) : '';
  put(`${prefix}.draft`, box.value || null);
}

/** Tells the server and the site what has been seen, and what has not. */
function look() {
  const fresh = view.frames.filter((f) => f.from !== 'visitor' && f.seq > seen && !f.read);
  if (fresh.length && open && !document.hidden) {
    const { seq } = fresh.at(-1);
    if (link.send({ t: 'read', seq })) { seen = seq; fresh.length = 0; }
  }
  tell('unread', { n: fresh.length });
}

function refresh() {
  $('intro').hidden = !view.empty;
  $('earlier').hidden = view.empty || !(view.first > 1 && Number.isFinite(view.first));
}

// Honest while nobody has answered yet: when somebody will, and that the page
// need not stay open.
view.ontidy = (last) => { $('patience').hidden = !last?.matches('.mine') || !$('typing').hidden; };
view.onscroll = (low) => { $('newest').hidden = low; };

let typed = 0;
function typing() {
  $('typing').hidden = false;
  $('patience').hidden = true;
  clearTimeout(typed);
  typed = setTimeout(() => { $('typing').hidden = true; }, 6000);
}

let told = 0;
function notice(text) {
  $('notice').replaceChildren(icon('alert'), el('span', { textContent: text }));
  $('notice').hidden = false;
  clearTimeout(told);
  told = setTimeout(() => { $('notice').hidden = true; }, 8000);
}

function tell(what, more) { if (parentOrigin) parent.postMessage({ casewire: what, ...more }, parentOrigin); }

// The site around us: only the pages that may embed us are listened to.
addEventListener('message', (e) => {
  const m = e.data || {};
  if (e.source !== parent || parent === window || !settings.origins.includes(e.origin) && e.origin !== location.origin) return;
  parentOrigin = e.origin;
  if (m.casewire === 'hello') {
    site = { page: String(m.page || ''), identity: String(m.identity || '') };
    $('shut').hidden = false;
    start();
  }
  if (m.casewire === 'shut') open = false;
  if (m.casewire === 'open' || m.open) {
    open = true;
    if (m.draft) $('text').value = m.draft;
    composer();
    (touch && !m.draft ? $('log') : $('text')).focus();
    view.bottom();
    look();
  }
});

$('composer').addEventListener('submit', (e) => { e.preventDefault(); send(); });
$('text').addEventListener('input', composer);
$('text').addEventListener('keydown', (e) => {
  if (e.key === 'Enter' && !e.shiftKey && !e.isComposing && !touch) { e.preventDefault(); send(); }
});
$('attach').addEventListener('click', () => $('file').click());
$('file').addEventListener('change', (e) => { tray.add([...e.target.files]); e.target.value = ''; $('text').focus(); });
$('earlier').addEventListener('click', () => link.send({ t: 'history', before: view.first }));
$('newest').addEventListener('click', () => { view.bottom(); $('text').focus(); });
$('intro').addEventListener('click', (e) => {
  const { topic } = e.target.dataset;
  if (topic) { $('text').value = `${topic}: `; composer(); $('text').focus(); }
});
$('shut').addEventListener('click', () => tell('shut'));
addEventListener('keydown', (e) => { if (e.key === 'Escape') tell('shut'); });
addEventListener('paste', (e) => { if (e.clipboardData.files.length) { e.preventDefault(); tray.add([...e.clipboardData.files]); } });
for (const kind of ['dragenter', 'dragover', 'dragleave', 'drop']) {
  addEventListener(kind, (e) => {
    e.preventDefault();
    $('drop').hidden = kind === 'drop' || kind === 'dragleave' && !e.relatedTarget;
    if (kind === 'drop') tray.add([...e.dataTransfer.files]);
  });
}
document.addEventListener('visibilitychange', look);
addEventListener('focus', look);

$('text').value = get(`${prefix}.draft`) || '';
composer();
adopt();
refresh();
if (parent === window) start();
