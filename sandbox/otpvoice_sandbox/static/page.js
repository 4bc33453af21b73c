// Live updates of the page: applies changes, rings and speaks, and submits forms without a reload.

import { subscribe } from "./event-stream.js";
import { morph } from "./morph.js";
import { retryRinging, setRinging } from "./ringtone.js";
import { muteAll, replay, startNewSpeeches } from "./speech.js";

const TITLE = document.title;
const $ = (selector) => document.querySelector(selector);
const soundButton = $("#sound");
let mayPlaySound = true;
let previouslyRinging = [];

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
    if (element && list.children[index] !== element) list.insertBefore(element, list.children[index] ?? null);
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
  scrollToRinging(ringing);
}

// Scroll to a phone that starts to ring, unless another phone rings or is in a conversation.
function scrollToRinging(ringing) {
  const fresh = ringing.find(({ id }) => !previouslyRinging.includes(id));
  previouslyRinging = ringing.map(({ id }) => id);
  if (fresh && ringing.length === 1 && !$(".keys [value=hang_up]")) {
    fresh.querySelector(".shell").scrollIntoView({ block: "nearest" });
  }
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
