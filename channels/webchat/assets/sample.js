// The sample page's own few lines: buttons that open the chat with a message.
addEventListener('click', (e) => {
  const button = e.target.closest('[data-say]');
  if (button) window.Casewire?.open(button.dataset.say);
});
const tag = document.getElementById('tag');
tag.textContent = `<script src="${new URL('widget.js', location.href.split('?')[0])}" data-channel="${tag.dataset.channel}" async></scr` + 'ipt>';
