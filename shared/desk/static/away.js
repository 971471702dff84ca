// Nobody at the screen: it is covered, and whoever comes next proves who they are. What was typed stays on the page, for the one who typed it.

const { who, lockMinutes } = document.body.dataset;
const cover = document.getElementById("away"), root = document.documentElement, title = document.title;
const channel = new BroadcastChannel("desk-away"), SEEN = "desk-seen", limit = lockMinutes * 6e4;
const covered = () => "away" in root.dataset;
const block = (e) => { e.preventDefault(); e.stopImmediatePropagation(); };

// every window of this browser is one screen; the first key after a machine's sleep is no sign that somebody was there
const still = () => Date.now() - (localStorage.getItem(SEEN) ?? 0);
const note = () => localStorage.setItem(SEEN, Date.now());
function look() {
  if (limit && !covered() && still() >= limit) leave(true);
}
function seen() {
  look();
  if (!covered() && still() > 5000) note();
}
function leave(tell) {
  if (covered()) return;
  root.dataset.away = "";
  document.title = "ロック中｜福祉総合相談デスク";
  cover.showModal();
  if (!tell) return;
  channel.postMessage("away");
  lock();
}
async function lock() {
  try {
    const { ok, status } = await fetch("/auth/lock", { method: "POST" });
    if (status === 503) {
      channel.postMessage({ who });
      back(who);
      document.getElementById("no-lock").hidden = false;
    }
    if (ok || status === 503) return;
  } catch { /* the way is broken: the cover stays, and we try again */ }
  setTimeout(() => covered() && lock(), 5000);
}
function back(person) {
  if (person !== who) {
    document.querySelectorAll("[data-unsaved]").forEach((el) => el.removeAttribute("data-unsaved"));
    return location.replace("/");
  }
  delete root.dataset.away;
  document.title = title;
  cover.close();
  document.getElementById("problems").replaceChildren();
  note();
  dispatchEvent(new Event("online")); // drafts and streams that were refused meanwhile go again
}

if (who) {
  note();
  for (const name of ["keydown", "pointerdown", "pointermove", "wheel"]) addEventListener(name, seen, { capture: true, passive: true });
  setInterval(look, 5000);
  for (const name of ["visibilitychange", "focus", "pageshow"]) addEventListener(name, look, true);
  addEventListener("submit", (e) => { if (e.target.matches("[data-leave]")) { block(e); leave(true); } }, true);
  addEventListener("keydown", (e) => { if (covered() && !(["Tab", "Enter", " "].includes(e.key) && !e.ctrlKey && !e.altKey && !e.metaKey)) block(e); }, true);
  cover.addEventListener("close", () => covered() && cover.showModal());
  channel.onmessage = ({ data }) => data === "away" ? leave() : covered() && back(data.who);
  if (document.querySelector("[data-signed-back]")) channel.postMessage({ who });
}
