// Attachments: chosen, pasted or dropped; sent up as soon as they are chosen, and
// fetched again with the token in a header, so that no address gives them away.

import { el, icon, fill } from './text.js';

const WIDEST = 2560; // pixels of a photo that is sent

/** The attachments of the message being written. */
export class Tray {
  #items = [];

  constructor({ box, settings, format, home, token, changed, problem }) {
    Object.assign(this, { box, settings, format, home, token, changed, problem });
  }

  get busy() { return this.#items.some((i) => !i.id); }
  get empty() { return this.#items.length === 0; }

  /** Takes over the finished files and leaves the tray empty. */
  take() {
    const files = this.#items.map(({ id, name, type, size }) => ({ id, name, type, size }));
    this.#items.forEach((i) => this.#forget(i));
    return files;
  }

  add(list) {
    const { settings: s } = this;
    for (const file of list) {
      if (this.#items.length >= s.files) { this.problem(fill(s.words.err_many, { n: s.files })); return; }
      const item = { file, name: file.name || 'photo.jpg', type: file.type, size: file.size };
      this.#items.push(item);
      this.#draw(item);
      this.#upload(item);
    }
    this.changed();
  }

  /** Tries again what did not go up. */
  retry() { this.#items.filter((i) => i.failed).forEach((i) => this.#upload(i)); }

  #draw(item) {
    const { words } = this.settings;
    item.url = item.type.startsWith('image/') ? URL.createObjectURL(item.file) : '';
    item.note = el('span', { className: 'note' });
    const remove = el('button', { type: 'button', className: 'plain', title: fill(words.remove, item) }, icon('close'));
    remove.setAttribute('aria-label', remove.title);
    remove.onclick = () => { this.#forget(item); this.changed(); };
    item.view = el('li', {}, item.url ? el('img', { src: item.url, alt: '' }) : icon('file'),
      el('span', { className: 'name', textContent: item.name }), item.note, remove);
    this.box.append(item.view);
    this.box.hidden = false;
  }

  #forget(item) {
    item.abort?.abort();
    URL.revokeObjectURL(item.url);
    item.view.remove();
    this.#items = this.#items.filter((i) => i !== item);
    this.box.hidden = this.empty;
  }

  async #upload(item) {
    const { words, fileBytes } = this.settings;
    item.failed = false;
    item.note.textContent = words.uploading;
    item.abort = new AbortController();
    try {
      const body = await shrink(item.file);
      if (body.size > fileBytes) throw 'too_large';
      const answer = await fetch(new URL('files', this.home), {
        method: 'POST', body, signal: item.abort.signal,
        headers: { Authorization: `Bearer ${this.token()}`, 'X-File-Name': encodeURIComponent(item.name) },
      });
      const got = await answer.json();
      if (!answer.ok) throw got.code;
      Object.assign(item, got);
      item.note.textContent = this.format.size(item.size);
    } catch (why) {
      if (item.abort.signal.aborted) return;
      const say = { too_large: words.err_size, bad_file: words.err_type }[why];
      if (say) {
        this.#forget(item);
        this.problem(fill(say, { name: item.name, size: this.format.size(fileBytes) }));
      } else {
        item.failed = true;
        item.note.textContent = words.err_upload;
        setTimeout(() => item.failed && this.#upload(item), 5000);
      }
    }
    this.changed();
  }
}

// Photos straight from a camera are larger than any screen; less travels faster.
async function shrink(file) {
  if (!/^image\/(jpeg|webp)$/.test(file.type) || file.size < 1.5e6) return file;
  try {
    const bitmap = await createImageBitmap(file);
    const k = Math.min(1, WIDEST / Math.max(bitmap.width, bitmap.height));
    const canvas = el('canvas', { width: bitmap.width * k, height: bitmap.height * k });
    canvas.getContext('2d').drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    const small = await new Promise((done) => { canvas.toBlob(done, 'image/jpeg', 0.85); });
    return small && small.size < file.size ? small : file;
  } catch { return file; }
}

async function blobOf(home, token, seq, n) {
  const answer = await fetch(new URL(`files/${seq}/${n}`, home), { headers: { Authorization: `Bearer ${token()}` } });
  if (!answer.ok) throw new Error(answer.status);
  return answer.blob();
}

/** A file of a message as it is shown in the conversation. */
export function attachment({ home, token, format, settings: { words } }, seq, file) {
  const load = () => blobOf(home, token, seq, file.n);
  if (file.image && seq) {
    const img = el('img', { alt: fill(words.photo, file), className: 'wait' });
    const link = el('a', { className: 'photo', target: '_blank' }, img);
    new IntersectionObserver((seen, watch) => {
      if (!seen.some((s) => s.isIntersecting)) return;
      watch.disconnect();
      load().then((b) => { img.src = link.href = URL.createObjectURL(b); img.className = ''; }, () => {
        link.replaceWith(el('span', { className: 'file', textContent: file.name }));
      });
    }).observe(link);
    return link;
  }
  const button = el('button', { type: 'button', className: 'file', disabled: !seq }, icon('file'),
    el('span', { className: 'name', textContent: file.name }), ' ', el('span', { className: 'note', textContent: format.size(file.size) }));
  button.title = fill(words.download, file);
  button.onclick = async () => {
    const href = URL.createObjectURL(await load());
    el('a', { href, download: file.name }).click();
    setTimeout(() => URL.revokeObjectURL(href), 60000);
  };
  return button;
}
