// The page comes to life: changes arrive, phones ring and speak, buttons act without a new page.

import { follow } from "./follow.js";
import { morph } from "./morph.js";
import { permit, ring } from "./ring.js";
import { attend, mute, sayAgain } from "./speech.js";

const TITLE = document.title;
const $ = (selector) => document.querySelector(selector);
const soundButton = $("#sound");
let speaks = true;
let wasRinging = [];

// What has changed -------------------------------------------------------------------------------

function show({ live, ahead, order, changed, speaks: mayWeSpeak }) {
  speaks = mayWeSpeak;
  document.body.dataset.live = live;
  tellIfNew($("#live"), live ? "Live" : "The sandbox is away; trying again");
  if (order) keepingFocus(() => Object.entries(order).forEach(([list, ids]) => arrange($(`#${list}`), ids, changed)));
  if (order) attend(ahead, speaks && isSoundOn());
  showRinging();
}

function arrange(list, ids, changed) {
  [...list.children].filter(({ id }) => !ids.includes(id)).forEach((element) => element.remove());
  ids.forEach((id, place) => {
    const fresh = changed[id] && elementOf(changed[id]);
    const old = document.getElementById(id);
    if (old && fresh) morph(old, fresh);
    const element = old ?? fresh;
    if (element && list.children[place] !== element) list.insertBefore(element, list.children[place] ?? null);
  });
}

function elementOf(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content.firstElementChild;
}

// A key that was pressed goes away with the ringing: who pressed it finds the next one under the finger.
function keepingFocus(change) {
  const screen = document.activeElement?.closest(".screen");
  change();
  if (screen?.isConnected && document.activeElement === document.body) {
    (screen.querySelector(".keys button") ?? screen).focus();
  }
}

function showRinging() {
  const ringing = [...document.querySelectorAll('.phone[data-state="ringing"]')];
  document.title = ringing.length ? `(${ringing.length}) Ringing · ${TITLE}` : TITLE;
  $("#silent").hidden = !ring(ringing.length > 0 && speaks && isSoundOn());
  bringIntoSight(ringing);
}

// A phone that begins to ring; but nobody is led away from another one that is busy.
function bringIntoSight(ringing) {
  const fresh = ringing.find(({ id }) => !wasRinging.includes(id));
  wasRinging = ringing.map(({ id }) => id);
  if (fresh && ringing.length === 1 && !$(".keys [value=hang_up]")) {
    fresh.querySelector(".shell").scrollIntoView({ block: "nearest" });
  }
}

function tellIfNew(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// What is done -----------------------------------------------------------------------------------

document.addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const body = new URLSearchParams(new FormData(form, event.submitter));
  tell("");
  try {
    const answer = await fetch(form.action, { method: "POST", body, redirect: "manual" });
    if (answer.type !== "opaqueredirect") tell(await answer.text());
    else if (form.matches(".add")) form.reset();
  } catch {
    tell("The sandbox is away.");
  }
});

document.addEventListener("click", ({ target }) => {
  const again = target.closest("[data-again]");
  if (again) sayAgain(again.closest(".screen").querySelector(".speech"));
});

for (const use of ["pointerdown", "keydown", "audible"]) {
  document.addEventListener(use, () => ($("#silent").hidden = !permit()));
}

function tell(problem) {
  const notice = $("#problem");
  notice.hidden = !problem;
  tellIfNew(notice, problem);
}

// Sound ------------------------------------------------------------------------------------------

const isSoundOn = () => soundButton.getAttribute("aria-pressed") === "true";

soundButton.setAttribute("aria-pressed", localStorage.getItem("sound") !== "off");
soundButton.hidden = false;
soundButton.addEventListener("click", () => {
  soundButton.setAttribute("aria-pressed", !isSoundOn());
  localStorage.setItem("sound", isSoundOn() ? "on" : "off");
  if (!isSoundOn()) mute();
  showRinging();
});

// Life -------------------------------------------------------------------------------------------

let order = null;
let ahead = 0;

function alone(message) {
  if (message) ({ order } = message);
  if (message) ahead = message.now - Date.now();
  show({ live: Boolean(message), ahead, order, changed: message?.changed ?? {}, speaks: true });
}

if (window.SharedWorker) {
  const worker = new SharedWorker("/desk/static/shared.js", { type: "module" });
  const { port } = worker;
  worker.onerror = () => follow(alone);
  port.onmessage = ({ data }) => show(data);
  addEventListener("focus", () => port.postMessage("front"));
  addEventListener("pagehide", () => port.postMessage("gone"));
  addEventListener("pageshow", ({ persisted }) => persisted && location.reload());
} else {
  follow(alone);
}
