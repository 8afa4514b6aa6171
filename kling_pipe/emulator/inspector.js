// Reload when something changed, unless the reader has a request open or a clip playing.
const seen = document.body.dataset.version;
setInterval(async () => {
  const busy = document.querySelector('details[open]') || [...document.querySelectorAll('video')].some(clip => !clip.paused);
  if (busy || document.hidden) return;
  const now = await fetch('/_emulator/health').then(answer => answer.json()).catch(() => null);
  if (now && String(now.version) !== seen) location.reload();
}, 1000);
