// One stream for all tabs of a browser, because browsers allow six connections to a host. The worker
// keeps the current page for tabs that open later, and lets one tab play sound: the last focused one.

import { subscribe } from "./event-stream.js";

const tabs = new Set();
let speaker = null;
let live = false;
let clockOffset = 0;
let order = null;
let elements = {};

const send = (tab, changed) => tab.postMessage({ live, clockOffset, order, changed, isSpeaker: tab === speaker });
const sendToAll = (changed) => tabs.forEach((tab) => send(tab, changed));

subscribe((message) => {
  live = message !== null;
  if (message) {
    clockOffset = message.now - Date.now();
    order = message.order;
    const ids = Object.values(order).flat();
    elements = Object.fromEntries(ids.map((id) => [id, message.changed[id] ?? elements[id]]));
  }
  sendToAll(message ? message.changed : {});
});

addEventListener("connect", ({ ports: [tab] }) => {
  tabs.add(tab);
  speaker = tab;
  tab.onmessage = ({ data }) => {
    if (data === "closed") tabs.delete(tab);
    speaker = data === "focused" ? tab : speaker === tab ? [...tabs].at(-1) : speaker;
    sendToAll({});
  };
  tab.start();
  sendToAll({});
  send(tab, elements);
});
