"use strict";
// The page is whole without this file; it adds filters, playing in place, keys, and the live view of `report --serve`.
(() => {
  const root = document.documentElement;
  const form = document.querySelector(".filters");
  const axes = new WeakMap();
  const texts = new WeakMap();
  let cards = [];
  let here = "";
  function gather() {
    cards = [...document.querySelectorAll(".card")];
    for (const card of cards) axes.set(card, JSON.parse(card.dataset.axes || "{}"));
  }
  root.classList.add("js");
  form.hidden = false;

  const text = (card) => {
    if (!texts.has(card)) texts.set(card, `${card.id} ${card.dataset.tags} ${card.textContent}`.toLowerCase());
    return texts.get(card);
  };
  const tests = {
    text: (card, value) => value.toLowerCase().split(/\s+/).every((word) => text(card).includes(word)),
    state: (card, value) => card.dataset.state === value,
    kind: (card, value) => card.dataset.kind === value,
    tag: (card, value) => card.dataset.tags.split(" ").includes(value),
  };
  const matches = (card, name, value) =>
    name.startsWith("axis:") ? axes.get(card)[name.slice(5)] === value : tests[name](card, value);

  function filter() {
    const wanted = [...new FormData(form)].filter(([, value]) => value.trim());
    let shown = 0;
    for (const card of cards) {
      card.hidden = !wanted.every(([name, value]) => matches(card, name, value));
      shown += !card.hidden;
    }
    form.querySelector(".count").textContent = wanted.length ? `${shown} of ${cards.length}` : `${cards.length} cells`;
    document.querySelector(".none").hidden = shown > 0;
    const query = new URLSearchParams(wanted).toString();
    history.replaceState(null, "", query ? `#?${query}` : location.hash.startsWith("#?") ? "#" : location.hash);
  }
  function restore() {
    if (!location.hash.startsWith("#?")) return;
    for (const [name, value] of new URLSearchParams(location.hash.slice(2)))
      if (form.elements[name]) form.elements[name].value = value;
  }
  let waiting = 0;
  form.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(filter, 60); });
  form.addEventListener("submit", (event) => event.preventDefault());

  // A poster becomes the film it stands for, in its place.
  function play(link) {
    const video = document.createElement("video");
    Object.assign(video, { src: link.href, controls: true, loop: true, playsInline: true, className: "frame" });
    video.poster = link.querySelector("img")?.src || "";
    video.setAttribute("aria-label", link.querySelector("img")?.alt || "video");
    link.replaceWith(video);
    video.play().catch(() => {});
    return video;
  }
  function follow(video) {
    const card = video.closest(".card");
    if (!card) return;
    const steps = card.querySelectorAll(".bar i");
    card.querySelectorAll(".shots li").forEach((shot, number) => {
      const now = video.currentTime >= +shot.dataset.from && video.currentTime < +shot.dataset.to;
      shot.classList.toggle("now", now);
      steps[number]?.classList.toggle("now", now);
    });
  }
  document.addEventListener("timeupdate", (event) => follow(event.target), true);
  document.addEventListener("play", (event) => {
    for (const other of document.querySelectorAll("video")) if (other !== event.target) other.pause();
  }, true);
  function film(card) {
    const take = card.querySelector(".take.look") || card.querySelector(".take.picked") || card;
    return take.querySelector("video") || (take.querySelector("a.video") && play(take.querySelector("a.video")));
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-play]");
    if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) { event.preventDefault(); play(link); return; }
    const shot = event.target.closest(".js .shots li[data-to]");
    const video = shot && !getSelection().toString() && film(shot.closest(".card"));
    if (video) { video.currentTime = +shot.dataset.from; video.play().catch(() => {}); }
    if (event.target.closest("figcaption button")) choose(event.target.closest(".take"));
    if (event.target.closest("button.theme")) theme();
    if (event.target.closest("button.help")) document.querySelector("dialog.keys").showModal();
  });

  function theme() {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    try { localStorage.setItem("kling-pipe-theme", root.dataset.theme); } catch { /* a page from disk may have none */ }
  }
  try { const kept = localStorage.getItem("kling-pipe-theme"); if (kept) root.dataset.theme = kept; } catch { /* as above */ }

  function toast(words) {
    document.querySelector(".toast")?.remove();
    const note = Object.assign(document.createElement("div"), { className: "toast", textContent: words });
    note.setAttribute("role", "status");
    document.body.append(note);
    setTimeout(() => note.remove(), 4000);
  }
  function pick(card) {
    const take = card.querySelector(".take.look") || card.querySelector(".take.picked");
    if (take) choose(take); else toast("There is only one take here.");
  }
  async function choose(take) {
    const { address, take: number } = take.dataset;
    if ("live" in root.dataset) return window.dispatchEvent(new CustomEvent("pick", { detail: { address, take: +number } }));
    const command = `kling-pipe pick '${address}' ${number}`;
    try { await navigator.clipboard.writeText(command); toast(`Copied: ${command}`); } catch { toast(command); }
  }

  function go(step) {
    const shown = cards.filter((card) => !card.hidden);
    if (!shown.length) return;
    const at = shown.findIndex((card) => card.id === here);
    const next = shown[Math.max(0, Math.min(shown.length - 1, at < 0 ? 0 : at + step))];
    document.querySelector(".card.here")?.classList.remove("here");
    here = next.id;
    next.classList.add("here");
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: "center" });
  }
  function look(card, number) {
    const take = card.querySelector(`.take[data-take="${number}"]`);
    if (!take) return;
    card.querySelectorAll(".take.look").forEach((one) => one.classList.remove("look"));
    take.classList.add("look");
  }
  const keys = {
    "/": () => form.elements.text.focus(),
    "?": () => document.querySelector("dialog.keys").showModal(),
    j: () => go(1),
    k: () => go(-1),
    " ": (card) => { const video = film(card); if (video && !video.paused && video.currentTime > 0) video.pause(); else video?.play().catch(() => {}); },
    p: pick,
    Enter: (card) => { const more = card.querySelector("details"); more.open = !more.open; },
  };
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, select, textarea, button, a, summary, video, dialog");
    if (event.key === "Escape" && !event.target.closest("dialog")) { form.reset(); filter(); event.target.blur(); return; }
    if (event.ctrlKey || event.metaKey || event.altKey || (typing && !(event.target.closest("a") && event.key.length === 1 && event.key !== " "))) return;
    const card = event.target.closest(".card") || document.getElementById(here);
    if (/^[1-9]$/.test(event.key) && card) { look(card, event.key); return; }
    const action = keys[event.key];
    if (!action || (action.length && !card)) return;
    event.preventDefault();
    action(card);
  });

  window.addEventListener("hashchange", () => { if (location.hash.startsWith("#?")) { restore(); filter(); } });
  window.kling = { toast, refresh() { gather(); filter(); } };
  gather();
  restore();
  filter();
})();
