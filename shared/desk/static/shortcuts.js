// By event.code: with the IME on, event.key is "Process". Letters never act in a text field and can be switched off (WCAG 2.1.4).

const STORE = "desk.shortcuts";
const one = (css, root = document) => root.querySelector(css);
const all = (css, root = document) => [...root.querySelectorAll(css)].filter((el) => el.offsetParent !== null);
const lettersOn = () => localStorage.getItem(STORE) !== "off";
const typingIn = (el) => el.closest("textarea,select,[contenteditable],input:not([type=checkbox],[type=radio],[type=submit],[type=button])");
const digitOf = (code) => /^(?:Digit|Numpad)([1-9])$/.exec(code)?.[1];

const act = (el) => { el?.click(); return !!el; };
const go = (el) => { el?.focus(); return !!el; };

function move(from, step) {
  const items = all("[data-list] [data-item]");
  return go(items[items.indexOf(from) + step]);
}

function openSheet() {
  const sheet = one("#keys"), list = one("[data-keys]", sheet), seen = new Set();
  list.querySelectorAll("[data-own]").forEach((el) => el.remove());
  for (const el of all("[data-key]").filter((el) => !seen.has(el.dataset.key) && seen.add(el.dataset.key))) {
    list.insertAdjacentHTML("beforeend", "<div data-own><dt><kbd></kbd></dt><dd></dd></div>");
    one("kbd", list.lastChild).textContent = el.dataset.key;
    one("dd", list.lastChild).textContent = [...el.childNodes].map((node) => node.nodeName === "KBD" ? "" : node.textContent).join("");
  }
  one("[data-keys-on]").checked = lettersOn();
  sheet.showModal();
  return true;
}

let wentAt = -1e9; // g was pressed

function letters(e, item) {
  const { code } = e;
  if (e.shiftKey) return code === "Slash" && openSheet();
  if (e.timeStamp - wentAt < 1500) {
    wentAt = -1e9;
    if (act(one(`[data-go="${code}"]`))) return true;
  }
  const keyed = all("[data-key]").filter((el) => code === "Key" + el.dataset.key.toUpperCase() || digitOf(code) === el.dataset.key);
  if (act(keyed.find((el) => item?.contains(el)) || keyed.find((el) => !el.closest("[data-item]")))) return true;
  const link = item && (one("[data-open]", item) || one("a[href]", item));
  switch (code) {
    case "KeyG": wentAt = e.timeStamp; return true;
    case "KeyJ": return move(item, 1);
    case "KeyK": return move(item, -1);
    case "KeyO": return act(link);
    case "Enter": return e.target === item && act(link);
    case "Slash": return go(one("[type=search]"));
  }
  return false;
}

function handle(e) {
  const { code, target } = e, digit = digitOf(code);
  if (e.ctrlKey && !e.altKey && !e.shiftKey && (code === "Enter" || code === "NumpadEnter")) {
    return act(target.closest("form")?.querySelector("[data-main]") || one("[data-main]"));
  }
  if (one("dialog[open]") || e.ctrlKey || e.metaKey) return false;
  if (e.altKey) {
    if (code === "ArrowDown" || code === "ArrowUp") return act(one(code === "ArrowDown" ? "[rel=next]" : "[rel=prev]"));
    return digit && go(one(`[data-block="${digit}"] :is(input:not([type=hidden]),select,textarea)`));
  }
  if (code === "F2") return go(one("[data-candidates] :is(a[href],button)"));
  if (typingIn(target)) return false;
  if (digit && target.closest("[data-candidates]")) {
    return act(one(`[data-candidate="${digit}"] button`) || one(`[data-candidate="${digit}"] a[href]`));
  }
  return lettersOn() && letters(e, target.closest("[data-item]"));
}

addEventListener("keydown", (e) => {
  if (!e.defaultPrevented && !e.isComposing && handle(e)) e.preventDefault();
});
addEventListener("click", (e) => {
  if (e.target.closest?.("[data-sheet]")) openSheet();
  if (e.target.matches?.("[data-keys-on]")) localStorage.setItem(STORE, e.target.checked ? "on" : "off");
});
