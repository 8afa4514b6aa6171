// Live over a running campaign: when the server says that something changed, the page takes over what is new.
(() => {
  const whole = [".facts", "#failures", "#cost", "#times", "#network"];
  const note = document.createElement("span");
  note.className = "live";
  note.textContent = "● live";
  document.querySelector(".title").append(note);
  const known = new Map();
  const remember = (root) => { for (const card of root.querySelectorAll(".card")) known.set(card.id, card.outerHTML); };

  function take(fresh) {
    for (const card of fresh.querySelectorAll(".card")) {
      const old = document.getElementById(card.id);
      if (!old) return location.reload();
      const html = card.outerHTML;
      if (known.get(card.id) === html) continue;
      known.set(card.id, html);
      const open = old.querySelector("details")?.open;
      old.replaceWith(card);
      if (open && card.querySelector("details")) card.querySelector("details").open = true;
    }
    for (const name of whole) {
      const old = document.querySelector(name), now = fresh.querySelector(name);
      if (old && now && old.outerHTML !== now.outerHTML) old.replaceWith(now);
      else if (old && !now) old.remove();
      else if (!old && now) document.querySelector("main").prepend(now);
    }
    window.kling.refresh();
  }
  let busy = false, again = false;
  async function update() {
    if (busy) { again = true; return; }
    busy = true;
    const answer = await fetch("./");
    if (answer.ok) take(new DOMParser().parseFromString(await answer.text(), "text/html"));
    busy = false;
    if (again) { again = false; update(); }
  }
  window.addEventListener("pick", async ({ detail }) => {
    const answer = await fetch("pick", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(detail),
    });
    const said = await answer.json();
    window.kling.toast(said.message);
  });
  fetch("./").then((answer) => answer.text()).then((text) => {
    const fresh = new DOMParser().parseFromString(text, "text/html");
    remember(fresh);
    take(fresh);
    const events = new EventSource("events");
    events.addEventListener("changed", update);
    events.addEventListener("open", () => { note.textContent = "● live"; update(); });
    events.addEventListener("error", () => { note.textContent = "○ the server is gone"; });
  });
})();
