// Small things for making a page out of text that nobody vouches for: everything
// becomes text nodes, and links go nowhere but http, https, mailto and tel.

const FOUND = /(https?:\/\/[^\s<>"'`]+)|([\w.+-]+@[\w-]+(?:\.[\w-]+)+)|(\+\d[\d ()-]{7,18}\d)|\bCW-\d+/gi;

/** Makes an element: properties, then children. */
export function el(name, props = {}, ...children) {
  const e = Object.assign(document.createElement(name), props);
  e.append(...children.filter((c) => c !== null && c !== undefined && c !== ''));
  return e;
}

/** An icon of the page's sprite. */
export function icon(name) {
  const ns = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(ns, 'svg');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  const use = document.createElementNS(ns, 'use');
  use.setAttribute('href', `#i-${name}`);
  svg.append(use);
  return svg;
}

/** Text with its links, as a fragment. */
export function linked(text) {
  const out = document.createDocumentFragment();
  let at = 0;
  for (const m of text.matchAll(FOUND)) {
    let [found] = m;
    if (m[1]) found = found.replace(/[.,;:!?)\]}»”]+$/, '');
    const href = m[1] ? found : m[2] ? `mailto:${found}` : `tel:${found.replace(/[^\d+]/g, '')}`;
    const node = m[1] || m[2] || m[3] ? el('a', { href, target: '_blank', rel: 'noopener noreferrer nofollow' }) : el('b');
    node.textContent = found;
    out.append(text.slice(at, m.index), node);
    at = m.index + found.length;
  }
  out.append(text.slice(at));
  return out;
}

/** Fills {names} in a sentence. */
export const fill = (s, values) => s.replace(/\{(\w+)\}/g, (_, k) => values[k] ?? '');

/** Sizes and times in the visitor's language. */
export class Format {
  constructor(lang) {
    this.lang = lang;
    this.clock = new Intl.DateTimeFormat(lang, { timeStyle: 'short' });
    this.full = new Intl.DateTimeFormat(lang, { dateStyle: 'long', timeStyle: 'short' });
    this.date = new Intl.DateTimeFormat(lang, { day: 'numeric', month: 'long' });
    this.near = new Intl.RelativeTimeFormat(lang, { numeric: 'auto' });
  }

  day(at) {
    const start = (d) => new Date(d.getFullYear(), d.getMonth(), d.getDate());
    const ago = Math.round((start(at) - start(new Date())) / 864e5);
    const s = ago > -2 && ago < 1 ? this.near.format(ago, 'day') : this.date.format(at);
    return s.charAt(0).toLocaleUpperCase(this.lang) + s.slice(1);
  }

  size(bytes) {
    const mb = bytes >= 1e6;
    return new Intl.NumberFormat(this.lang, {
      style: 'unit', unit: mb ? 'megabyte' : 'kilobyte', maximumFractionDigits: mb ? 1 : 0,
    }).format(Math.max(1, bytes / 1e3) / (mb ? 1e3 : 1));
  }
}
