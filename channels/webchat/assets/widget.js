// Puts the chat on a page: a button and, once it is wanted, an iframe.
//   <script src="https://HOST/chat/widget.js" data-channel="site" async></script>
// Optional: data-lang, data-identity (signed by the site's server).
(() => {
  const set = /*SETTINGS*/ null;
  const tag = document.currentScript;
  if (!tag || !set || window.Casewire) return;
  const home = new URL('.', tag.src);
  const channel = tag.dataset.channel || '';
  const lang = tag.dataset.lang || document.documentElement.lang || navigator.language || 'en';
  const words = set.words[lang] || set.words[lang.slice(0, 2).toLowerCase()] || set.words.en;
  const flag = `casewire.${channel}`;

  const css = `
    :host { all: initial; }
    * { box-sizing: border-box; }
    [hidden] { display: none !important; }
    button { position: fixed; z-index: 2147483000; right: max(20px, env(safe-area-inset-right));
      bottom: max(20px, env(safe-area-inset-bottom)); display: flex; align-items: center; gap: 10px;
      height: 56px; min-width: 56px; padding: 0 20px 0 18px; border: 0; border-radius: 28px; cursor: pointer;
      color: #fff; background: ${set.accent}; font: 600 16px/1 system-ui, sans-serif;
      box-shadow: 0 1px 2px rgb(0 0 0 / .2), 0 8px 24px rgb(0 0 0 / .22); transition: transform .15s; }
    button:hover { transform: translateY(-2px); }
    button:focus-visible { outline: 3px solid #fff; box-shadow: 0 0 0 6px ${set.accent}; }
    svg { width: 24px; height: 24px; fill: none; stroke: currentColor; stroke-width: 1.8;
      stroke-linecap: round; stroke-linejoin: round; }
    b { position: absolute; top: -6px; right: -4px; min-width: 24px; height: 24px; padding: 0 7px;
      border: 2px solid #fff; border-radius: 12px; background: #b3261e; font: 700 12px/20px system-ui, sans-serif;
      text-align: center; }
    iframe { position: fixed; z-index: 2147483000; right: 20px; bottom: 20px; width: 400px;
      height: min(704px, calc(100vh - 40px)); border: 0; border-radius: 16px; background: Canvas;
      color-scheme: light dark; box-shadow: 0 2px 6px rgb(0 0 0 / .18), 0 16px 48px rgb(0 0 0 / .28); }
    @media (max-width: 520px) {
      iframe { inset: 0; width: 100%; height: 100%; border-radius: 0; }
      button { padding: 0 16px; } button span { display: none; }
    }
    @media (prefers-reduced-motion: reduce) { button { transition: none; } button:hover { transform: none; } }
    @media print { button, iframe { display: none; } }`;

  const host = Object.assign(document.createElement('div'), { id: 'casewire' });
  const root = host.attachShadow({ mode: 'open' });
  try {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    root.adoptedStyleSheets = [sheet];
  } catch {
    root.append(Object.assign(document.createElement('style'), { textContent: css }));
  }

  const button = document.createElement('button');
  const ns = 'http://www.w3.org/2000/svg';
  const icon = document.createElementNS(ns, 'svg');
  icon.setAttribute('viewBox', '0 0 24 24');
  icon.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS(ns, 'path');
  path.setAttribute('d', 'M4 6.5A2.5 2.5 0 0 1 6.5 4h11A2.5 2.5 0 0 1 20 6.5v7a2.5 2.5 0 0 1-2.5 2.5H11l-4.5 4v-4A2.5 2.5 0 0 1 4 13.5zM8.5 8.5h7M8.5 11.8h4.5');
  icon.append(path);
  const label = Object.assign(document.createElement('span'), { textContent: words.open });
  const badge = Object.assign(document.createElement('b'), { hidden: true });
  button.type = 'button';
  button.append(icon, label, badge);
  button.setAttribute('aria-label', words.open);
  button.setAttribute('aria-expanded', 'false');
  button.addEventListener('click', () => open());
  root.append(button);

  let frame = null, loaded = false, shown = false, draft = '';
  const say = (what, more) => loaded && frame.contentWindow.postMessage({ casewire: what, ...more }, home.origin);

  function load() {
    if (frame) return;
    frame = document.createElement('iframe');
    frame.title = set.title[lang] || set.title[lang.slice(0, 2)] || set.title.en || words.open;
    frame.hidden = true;
    frame.src = new URL(`frame?lang=${encodeURIComponent(lang)}`, home);
    frame.addEventListener('load', () => {
      loaded = true;
      const page = location.origin + location.pathname;
      say('hello', { page, identity: tag.dataset.identity || '', open: shown, draft });
    });
    root.append(frame);
  }

  function open(text) {
    load();
    draft = typeof text === 'string' ? text : '';
    shown = true;
    frame.hidden = false;
    button.hidden = true;
    button.setAttribute('aria-expanded', 'true');
    frame.focus();
    say('open', { draft });
  }

  function shut() {
    if (!shown) return;
    shown = false;
    frame.hidden = true;
    button.hidden = false;
    button.setAttribute('aria-expanded', 'false');
    button.focus();
    say('shut');
  }

  function unread(n) {
    badge.hidden = !n;
    badge.textContent = n > 99 ? '99+' : n;
    button.setAttribute('aria-label', n ? `${words.open}. ${words.unread.replace('{n}', n)}` : words.open);
  }

  // Only our own frame is listened to, and it must come from our own server.
  addEventListener('message', (e) => {
    if (!frame || e.source !== frame.contentWindow || e.origin !== home.origin) return;
    const m = e.data || {};
    if (m.casewire === 'shut') shut();
    if (m.casewire === 'unread') unread(Number(m.n) || 0);
    if (m.casewire === 'kept') remember();
  });

  function remember() { try { localStorage.setItem(flag, '1'); } catch { /* no storage: no badge */ } }
  function remembered() { try { return localStorage.getItem(flag) === '1'; } catch { return false; } }

  window.Casewire = { open, close: shut };
  document.body ? start() : addEventListener('DOMContentLoaded', start);
  function start() {
    document.body.append(host);
    // Whoever has written before sees on the button that an answer came.
    if (remembered()) setTimeout(load, 1500);
  }
})();
