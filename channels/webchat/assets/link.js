// The socket to the server, kept up through tunnels, sleep and restarts.

const BEAT = 15000;   // between signs of life
const DEAF = 28000;   // silence after which a beat gives the connection up: 43 s at most
const PROBE = 4000;   // the same, when the page has just come back
const FIRST = 500, LONGEST = 30000; // pauses between tries; there is no last try

export class Link {
  #ws = null; #up = false; #tries = 0; #timer = 0; #probe = 0; #heard = 0; #shut = 0;

  /** hello() makes the first frame; frame(f) and state(up) are told what comes. */
  constructor(url, { hello, frame, state, gone }) {
    Object.assign(this, { url, hello, frame, state, gone });
    setInterval(() => this.#beat(), BEAT);
    addEventListener('online', () => this.wake());
    addEventListener('pageshow', () => this.wake());
    addEventListener('offline', () => this.#lost(0));
    document.addEventListener('visibilitychange', () => document.hidden || this.wake());
    addEventListener('pagehide', () => this.#drop(false));
  }

  get up() { return this.#up; }

  /** Sends a frame if there is a connection, and says whether. */
  send(frame) {
    if (!this.#up || this.#ws.readyState !== 1) return false;
    this.#ws.send(JSON.stringify(frame));
    return true;
  }

  /** Connects at once, or makes sure that the connection is alive. */
  wake() {
    if (this.#up) { this.#check(); return; }
    if (this.#ws && this.#ws.readyState === 0) return;
    this.#connect();
  }

  #connect() {
    clearTimeout(this.#timer);
    this.#drop(false);
    const ws = new WebSocket(this.url, 'casewire.chat.v1');
    this.#ws = ws;
    this.#heard = Date.now();
    ws.onopen = () => ws.send(JSON.stringify({ t: 'hello', ...this.hello() }));
    ws.onclose = (e) => ws === this.#ws && this.#lost(e.code);
    ws.onmessage = (e) => {
      this.#heard = Date.now();
      clearTimeout(this.#probe);
      let f;
      try { f = JSON.parse(e.data); } catch { return; }
      if (f.t === 'welcome') { this.#up = true; this.#tries = 0; }
      this.frame(f);
      if (f.t === 'welcome') this.state(true);
    };
  }

  #lost(code) {
    clearTimeout(this.#timer);
    this.#drop(false);
    this.gone(code);
    const least = { 4400: 30000, 4429: 10000 }[code] || 0;
    const most = Math.min(LONGEST, FIRST * 2 ** Math.min(this.#tries++, 10));
    this.#timer = setTimeout(() => this.#connect(), least + most * (0.5 + Math.random() / 2));
  }

  // A dead socket may take minutes to close: it is let go, not waited for.
  #drop(again) {
    const ws = this.#ws, was = this.#up;
    this.#ws = null;
    this.#up = false;
    clearTimeout(this.#probe);
    if (ws) { ws.onopen = ws.onclose = ws.onmessage = null; ws.close(); }
    if (was) this.state(false);
    if (again) this.#connect();
  }

  #beat() {
    if (!this.#ws) return;
    if (Date.now() - this.#heard > DEAF) { this.#lost(0); return; }
    this.send({ t: 'ping' });
  }

  #check() {
    if (!this.send({ t: 'ping' })) return;
    clearTimeout(this.#probe);
    this.#probe = setTimeout(() => this.#drop(true), PROBE);
  }
}
