// The words of the page in the operator's language, and times as people say them.
const book = JSON.parse(document.getElementById("words").textContent);
const rules = new Intl.PluralRules(book.lang);

export const lang = book.lang;
export const initial = book.initial;
export const capacity = book.capacity;

const fill = (s, values) => s.replace(/\{(\w+)\}/g, (all, name) => (name in values ? String(values[name]) : all));

export function t(key, values = {}) {
  const p = book.t[key];
  return p === undefined ? key : fill(typeof p === "string" ? p : p.other ?? p.many, values);
}

export function n(key, count, values = {}) {
  const p = book.t[key];
  if (p === undefined) return key;
  const form = typeof p === "string" ? p : p[rules.select(count)] ?? p.other ?? p.many;
  return fill(form, { n: count, ...values });
}

export const has = (key) => key in book.t;
export const kind = (k) => (has("kind." + k) ? t("kind." + k) : k);
export const category = (c) => (!c ? t("category.none") : has("category." + c) ? t("category." + c) : c);
export const priority = (p) => t("priority." + p);
export const status = (id) => book.status[id] ?? id;
export const queue = (id) => book.queue[id] ?? id;

// span says how long something lasts, like words.Locale.Span on the server.
export function span(ms) {
  const minutes = Math.floor(Math.abs(ms) / 60000);
  if (minutes < 1) return t("span.now");
  if (minutes < 60) return t("span.min", { n: minutes });
  if (minutes < 1440) return pair("span.h", Math.floor(minutes / 60), "span.min", minutes % 60);
  const hours = Math.floor(minutes / 60);
  return pair("span.d", Math.floor(hours / 24), "span.h", hours % 24);
}

// brief is span in its larger unit alone.
export function brief(ms) {
  const minutes = Math.floor(Math.abs(ms) / 60000);
  if (minutes >= 1440) return t("span.d", { n: Math.floor(minutes / 1440) });
  return minutes >= 60 ? t("span.h", { n: Math.floor(minutes / 60) }) : t("span.min", { n: minutes });
}

const pair = (big, a, small, b) => t(big, { n: a }) + (b ? " " + t(small, { n: b }) : "");

// due says how far off a deadline is; short is for where there is little room.
export function due(at, now = Date.now(), short = false) {
  return at > now ? t("due.in", { span: span(at - now) }) : t(short ? "due.over" : "due.late", { span: span(now - at) });
}

// slaOf judges like the desk: soon is the last quarter of the time.
export function slaOf(received, dueAt, now = Date.now()) {
  if (!dueAt) return "none";
  if (now >= dueAt) return "overdue";
  return now >= dueAt - (dueAt - received) / 4 ? "soon" : "ok";
}
