// What the browser keeps: the token, the draft, and messages not yet taken by the
// server. The token lives here and not in a cookie because the iframe is a third
// party on most pages, where browsers drop cookies; storage is kept per site, and
// no script but ours runs on this origin.

const memory = new Map();

/** Reads a value; a browser that forbids storage forgets it with the page. */
export function get(key) {
  try { return localStorage.getItem(key); } catch { return memory.get(key) ?? null; }
}

/** Writes a value; null removes it. */
export function put(key, value) {
  try {
    if (value === null) localStorage.removeItem(key); else localStorage.setItem(key, value);
  } catch {
    if (value === null) memory.delete(key); else memory.set(key, value);
  }
}

function keys() {
  try { return Object.keys(localStorage); } catch { return [...memory.keys()]; }
}

/**
 * Messages on their way, oldest first. Each has its own key, so that tabs do not
 * overwrite each other, and keeps its id until the server has acknowledged it:
 * sending it twice is harmless.
 */
export class Outbox {
  constructor(prefix) { this.prefix = `${prefix}.out.`; }

  all() {
    return keys().filter((k) => k.startsWith(this.prefix)).map((k) => {
      try { return JSON.parse(get(k)); } catch { return null; }
    }).filter((m) => m?.id).sort((a, b) => a.at - b.at);
  }

  add(message) {
    const m = { id: uuid(), at: Date.now(), ...message };
    put(this.prefix + m.id, JSON.stringify(m));
    return m;
  }

  remove(id) { put(this.prefix + id, null); }
}

function uuid() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const b = crypto.getRandomValues(new Uint8Array(16));
  b[6] = b[6] & 15 | 64;
  b[8] = b[8] & 63 | 128;
  const h = [...b].map((x) => x.toString(16).padStart(2, '0')).join('');
  return h.replace(/(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}
