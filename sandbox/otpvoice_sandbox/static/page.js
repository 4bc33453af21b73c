// Live updates of the page: applies changes, rings and speaks, and submits forms without a reload.

import { subscribe } from "./event-stream.js";
import { morph } from "./morph.js";
import { retryRinging, setRinging } from "./ringtone.js";
import { muteAll, replay, startNewSpeeches } from "./speech.js";

const TITLE = document.title;
const IN_USE = ["ringing", "talking", "voicemail"];
const $ = (selector) => document.querySelector(selector);
const soundButton = $("#sound");
let mayPlaySound = true;
let shown = []; // phones that ring and were opened for it

// Updates ----------------------------------------------------------------------------------------

function update({ live, clockOffset, order, changed, isSpeaker }) {
  mayPlaySound = isSpeaker;
  document.body.dataset.live = live;
  setText($("#live"), live ? "Live" : "The sandbox is not reachable; reconnecting");
  if (order) keepFocus(() => Object.entries(order).forEach(([list, ids]) => arrange($(`#${list}`), ids, changed)));
  if (order) startNewSpeeches(clockOffset, mayPlaySound && isSoundOn());
  updateRinging();
}

function arrange(list, ids, changed) {
  [...list.children].filter(({ id }) => !ids.includes(id)).forEach((element) => element.remove());
  ids.forEach((id, index) => {
    const fresh = changed[id] && parseElement(changed[id]);
    const old = document.getElementById(id);
    if (old && fresh) morph(old, fresh);
    const element = old ?? fresh;
    const isNewPhone = !old && index === 0 && element?.matches(".phone");
    if (element && list.children[index] !== element) list.insertBefore(element, list.children[index] ?? null);
    if (isNewPhone && !IN_USE.includes($(".phone[open]")?.dataset.state)) element.open = true;
  });
}

function parseElement(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content.firstElementChild;
}

// Move the focus to the next button of a phone when the focused button disappears.
function keepFocus(change) {
  const screen = document.activeElement?.closest(".screen");
  change();
  if (screen?.isConnected && document.activeElement === document.body) {
    (screen.querySelector(".keys button") ?? screen).focus();
  }
}

function updateRinging() {
  const ringing = [...document.querySelectorAll('.phone[data-state="ringing"]')];
  document.title = ringing.length ? `(${ringing.length}) Ringing · ${TITLE}` : TITLE;
  $("#silent").hidden = !setRinging(ringing.length > 0 && mayPlaySound && isSoundOn());
  showRinging(ringing);
}

// Open a phone that starts to ring and scroll to it. While the open phone is in use, it waits.
function showRinging(ringing) {
  shown = shown.filter((each) => ringing.includes(each));
  const next = ringing.find((each) => !shown.includes(each));
  const open = $(".phone[open]");
  if (!next || (open && open !== next && IN_USE.includes(open.dataset.state))) return;
  shown.push(next);
  next.open = true; // closes the other one, because they share a name
  next.querySelector(".shell").scrollIntoView({ block: "nearest" });
}

// Set a text only if it differs, because live regions announce every assignment.
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// Actions ----------------------------------------------------------------------------------------

document.addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const body = new URLSearchParams(new FormData(form, event.submitter));
  showProblem("");
  try {
    const response = await fetch(form.action, { method: "POST", body, redirect: "manual" });
    if (response.type !== "opaqueredirect") showProblem(await response.text());
    else if (form.matches(".add")) form.reset();
  } catch {
    showProblem("The sandbox is not reachable. Start it again, then retry.");
  }
});

document.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-replay]");
  if (button) replay(button.closest(".screen").querySelector(".speech"));
});

for (const type of ["pointerdown", "keydown", "audible"]) {
  document.addEventListener(type, () => ($("#silent").hidden = !retryRinging()));
}

function showProblem(text) {
  const notice = $("#problem");
  notice.hidden = !text;
  setText(notice, text);
}

// Sound ------------------------------------------------------------------------------------------

const isSoundOn = () => soundButton.getAttribute("aria-pressed") === "true";

soundButton.setAttribute("aria-pressed", localStorage.getItem("sound") !== "off");
soundButton.hidden = false;
soundButton.addEventListener("click", () => {
  soundButton.setAttribute("aria-pressed", !isSoundOn());
  localStorage.setItem("sound", isSoundOn() ? "on" : "off");
  if (!isSoundOn()) muteAll();
  updateRinging();
});

// Connection -------------------------------------------------------------------------------------

let order = null;
let clockOffset = 0;

function updateWithoutWorker(message) {
  if (message) ({ order } = message);
  if (message) clockOffset = message.now - Date.now();
  update({ live: Boolean(message), clockOffset, order, changed: message?.changed ?? {}, isSpeaker: true });
}

if (window.SharedWorker) {
  const worker = new SharedWorker("/desk/static/shared-worker.js", { type: "module" });
  const { port } = worker;
  worker.onerror = () => subscribe(updateWithoutWorker);
  port.onmessage = ({ data }) => update(data);
  addEventListener("focus", () => port.postMessage("focused"));
  addEventListener("pagehide", () => port.postMessage("closed"));
  addEventListener("pageshow", ({ persisted }) => persisted && location.reload());
} else {
  subscribe(updateWithoutWorker);
}
