// Without this everything works by reloading. With it: the page follows what happens, says what was read, and who types.
"use strict";
const live = document.getElementById("live");
const AGAIN = 500, TYPING = 4000; // ms
let typed = 0;

function post(address, body) {
  return fetch(address, { method: "POST", body: new URLSearchParams(body), redirect: "manual" });
}

// What somebody works on stays as it is until they leave it.
const busy = () => live.contains(document.activeElement) || live.querySelector("details[open]");

async function follow() {
  try {
    const answer = await fetch(location.pathname + location.search, { headers: { Accept: "text/html" } });
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live");
    if (answer.ok && fresh && fresh.innerHTML !== live.innerHTML && !busy()) {
      const atEnd = window.innerHeight + window.scrollY >= document.body.scrollHeight - 80;
      live.replaceChildren(...fresh.childNodes);
      if (atEnd) window.scrollTo(0, document.body.scrollHeight);
    }
    if (live.dataset.read && live.querySelector("form.unread") && document.visibilityState === "visible")
      await post(live.dataset.read, {});
  } catch { /* the product is away: the next look is soon */ }
  setTimeout(follow, AGAIN);
}

const write = document.querySelector("form.write");
if (write) {
  write.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) write.requestSubmit();
  });
  if (write.dataset.typing)
    write.elements.text.addEventListener("input", () => {
      if (Date.now() - typed > TYPING) { typed = Date.now(); post(write.dataset.typing, {}).catch(() => {}); }
    });
}
if (live) { if (live.dataset.read) window.scrollTo(0, document.body.scrollHeight); follow(); }
