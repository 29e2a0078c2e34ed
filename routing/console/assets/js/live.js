// The live feed, subprotocol casewire.live.v1. It reconnects by itself, resumes
// where it was cut off, and tells the page how things stand.
const frames = new EventTarget();
let socket = null;
let place = null; // {epoch, seq}
let tries = 0;
let retryAt = 0;
let timer = 0;
let heard = 0;
let watched = "";

export const on = (kind, fn) => frames.addEventListener(kind, (e) => fn(e.detail));
const emit = (kind, detail) => frames.dispatchEvent(new CustomEvent(kind, { detail }));

export function send(frame) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(frame));
}

// watch asks for news of one case, whoever holds it.
export function watch(number) {
  watched = number;
  send({ t: "watch", case: number });
}

export function connect(path) {
  clearTimeout(timer);
  if (socket && socket.readyState <= WebSocket.OPEN) return;
  emit("link", { state: tries ? "retrying" : "connecting" });
  const url = new URL(path, location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  let ws;
  try {
    ws = new WebSocket(url, "casewire.live.v1");
  } catch {
    return again(path);
  }
  socket = ws;
  ws.onopen = () => {
    heard = Date.now();
    const hello = { t: "hello", queues: [] };
    if (place) hello.resume = place;
    send(hello);
    if (watched) send({ t: "watch", case: watched });
  };
  ws.onmessage = (e) => {
    heard = Date.now();
    if (tries || !ws.greeted) {
      ws.greeted = true;
      emit("link", { state: "live", back: tries > 1 });
      tries = 0;
    }
    let f;
    try {
      f = JSON.parse(e.data);
    } catch {
      return;
    }
    if (f.t === "snapshot") place = { epoch: f.epoch, seq: f.seq };
    else if (f.seq && place) place.seq = Math.max(place.seq, f.seq);
    emit(f.t, f);
  };
  ws.onclose = (e) => {
    if (socket !== ws) return;
    socket = null;
    if (e.code === 4401 || e.code === 1008) return checkSession(path);
    again(path);
  };
}

function again(path) {
  tries++;
  const wait = Math.min(30000, 500 * 2 ** Math.min(tries, 6)) * (0.5 + Math.random() / 2);
  retryAt = Date.now() + wait;
  emit("link", { state: "off", retryAt, tries });
  clearTimeout(timer);
  timer = setTimeout(() => connect(path), wait);
  if (tries % 3 === 2) checkSession(path, true);
}

// checkSession tells a lost connection from a session that is over.
async function checkSession(path, quiet) {
  try {
    const r = await fetch("/desk/mine", { method: "HEAD", headers: { "X-Part": "1" }, redirect: "manual" });
    if (r.status === 401) return emit("link", { state: "signed-out" });
  } catch {
    // Offline: the timer goes on.
  }
  if (!quiet) again(path);
}

export function start(path) {
  connect(path);
  const now = () => {
    if (!socket) {
      clearTimeout(timer);
      connect(path);
    }
  };
  window.addEventListener("online", now);
  window.addEventListener("pageshow", now);
  window.addEventListener("offline", () => socket?.close());
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) now();
  });
  on("retry", now);
}

export const retry = () => emit("retry");
