// Shows times in the reader's time zone and refreshes the overview every 30 seconds.
// The pages work without this script.
"use strict";

const REFRESH_INTERVAL_MS = 30000;
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
const FORMATS = {
  full: { day: "2-digit", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" },
  clock: { hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
};

function formatTime(time, format) {
  return new Intl.DateTimeFormat("en-GB", { ...FORMATS[format], timeZone: zone }).format(time);
}

function localize(root) {
  for (const each of root.querySelectorAll("time")) {
    each.title = each.dateTime;
    each.textContent = formatTime(new Date(each.dateTime), "full").replace(",", "");
  }
  for (const each of root.querySelectorAll("[data-time]")) {
    each.textContent = formatTime(new Date(Number(each.dataset.time)), "clock");
  }
  for (const title of root.querySelectorAll(".stripe > title")) {
    const stripes = [...title.closest("svg").querySelectorAll(".stripe")];
    const cells = title.closest("figure").querySelectorAll("tbody [data-time]");
    const clock = cells[stripes.indexOf(title.parentNode)].textContent;
    title.textContent = title.textContent.replace(/^\d\d:\d\d UTC/, clock);
  }
  document.getElementById("zone").textContent = zone;
}

// Keeps open tables open, and skips the refresh while the keyboard focus is inside the content.
async function refresh() {
  if (document.hidden) return;
  const main = document.getElementById("main");
  try {
    const response = await fetch("/console", { cache: "no-store" });
    if (!response.ok) throw new Error(String(response.status));
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    if (main.contains(document.activeElement) && document.activeElement !== main) return;
    const open = [...main.querySelectorAll("details[open]")].map((each) => each.id);
    main.replaceChildren(...document.adoptNode(page.getElementById("main")).childNodes);
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    document.title = page.title;
    localize(main);
  } catch {
    document.getElementById("refresh").textContent = ", and the last refresh failed";
  }
}

localize(document);
if (document.getElementById("refresh")) setInterval(refresh, REFRESH_INTERVAL_MS);
