// Half-typed kana never reaches htmx, the Enter that ends a conversion submits nothing, and a reading is the kana before conversion.

const fold = (text) => text.normalize("NFKC").replace(/[ぁ-ゖゝゞ]/g, (c) => String.fromCharCode(c.charCodeAt(0) + 0x60)).replace(/\s+/g, " ");
const isKana = (text) => /^[ァ-ヺヽヾー・ ]+$/.test(fold(text));

let typed = ""; // last all-kana state of this composition
const pieces = new WeakMap(); // name field → [[as written, reading], …], longest first
const filled = new WeakMap(); // reading field → what we put there; else it was edited by hand
const readingField = (el) => document.getElementById(el.dataset?.readingTo) || el.form?.querySelector(`[data-reading-of="${el.name}"]`);

function writeReading(el) {
  const to = readingField(el);
  if (!to || (to.value && to.value !== filled.get(to))) return;
  let rest = el.value, reading = "";
  while (rest) {
    const known = (pieces.get(el) || []).find(([written]) => rest.startsWith(written));
    if (known) reading += known[1];
    else if (isKana(rest[0])) reading += rest[0];
    rest = rest.slice(known ? known[0].length : 1);
  }
  reading = fold(reading).trim();
  if (reading === to.value) return;
  to.value = reading;
  filled.set(to, reading);
  to.dispatchEvent(new Event("input", { bubbles: true }));
}

addEventListener("compositionstart", () => { typed = ""; }, true);
addEventListener("compositionupdate", (e) => { if (e.data && isKana(e.data)) typed = e.data; }, true);

// Chromium leaves isComposing true on the last input event (w3c/uievents #394): stop all, fire one at the end.
addEventListener("input", (e) => {
  if (e.isComposing) e.stopImmediatePropagation();
  else writeReading(e.target);
}, true);
addEventListener("compositionend", (e) => {
  if (e.data && typed && !isKana(e.data)) {
    const known = (pieces.get(e.target) || []).filter(([written]) => written !== e.data);
    pieces.set(e.target, [[e.data, typed], ...known].sort((a, b) => b[0].length - a[0].length));
  }
  e.target.dispatchEvent(new Event("input", { bubbles: true }));
}, true);

addEventListener("keydown", (e) => {
  if (!e.isComposing && !(e.keyCode === 229 && e.target.matches?.("input,textarea"))) return;
  e.stopImmediatePropagation();
  if (e.key === "Enter") e.preventDefault();
}, true);

addEventListener("change", (e) => {
  if (e.target.matches?.("[data-kana]")) e.target.value = fold(e.target.value).trim();
}, true);
