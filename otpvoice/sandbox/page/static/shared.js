// One stream for all tabs of a browser, which allows but six connections to a host. It remembers the
// page as it stands for tabs that open later, and lets one tab only make a sound: the last in front.

import { follow } from "./follow.js";

const tabs = new Set();
let speaker = null;
let live = false;
let ahead = 0;
let order = null;
let pieces = {};

const tell = (tab, changed) => tab.postMessage({ live, ahead, order, changed, speaks: tab === speaker });
const tellAll = (changed) => tabs.forEach((tab) => tell(tab, changed));

follow((message) => {
  live = message !== null;
  if (message) {
    ahead = message.now - Date.now();
    order = message.order;
    const ids = Object.values(order).flat();
    pieces = Object.fromEntries(ids.map((id) => [id, message.changed[id] ?? pieces[id]]));
  }
  tellAll(message ? message.changed : {});
});

addEventListener("connect", ({ ports: [tab] }) => {
  tabs.add(tab);
  speaker = tab;
  tab.onmessage = ({ data }) => {
    if (data === "gone") tabs.delete(tab);
    speaker = data === "front" ? tab : speaker === tab ? [...tabs].at(-1) : speaker;
    tellAll({});
  };
  tab.start();
  tellAll({});
  tell(tab, pieces);
});
