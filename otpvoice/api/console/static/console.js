// Times in the reader's zone, and a fresh page every half minute. The page tells all without it.
"use strict";

const EVERY = 30000;
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
const FORMS = {
  day: { day: "2-digit", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" },
  short: { hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
};

function told(moment, form) {
  return new Intl.DateTimeFormat("en-GB", { ...FORMS[form], timeZone: zone }).format(moment);
}

function localize(root) {
  for (const each of root.querySelectorAll("time")) {
    each.title = each.dateTime;
    each.textContent = told(new Date(each.dateTime), each.dataset.form).replace(",", "");
  }
  for (const each of root.querySelectorAll("[data-at]")) {
    each.textContent = told(new Date(Number(each.dataset.at)), "short");
  }
  for (const each of root.querySelectorAll(".stripe > title")) {
    each.textContent = each.textContent.replace(/^\d\d:\d\d UTC/, "");
    const text = each.closest("svg").querySelectorAll(".stripe");
    const row = [...text].indexOf(each.parentNode);
    const at = each.closest("figure").querySelectorAll("tbody [data-at]")[row];
    each.textContent = at.textContent + each.textContent;
  }
  document.getElementById("zone").textContent = zone;
}

// What the reader opened stays open, and what the keyboard is on stays focused.
async function refresh() {
  if (document.hidden) return;
  const main = document.getElementById("main");
  const fresh = document.getElementById("fresh");
  try {
    const answer = await fetch("/console", { cache: "no-store" });
    if (!answer.ok) throw new Error(String(answer.status));
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (main.contains(document.activeElement) && document.activeElement !== main) return;
    const open = [...main.querySelectorAll("details[open]")].map((each) => each.id);
    main.replaceChildren(...document.adoptNode(page.getElementById("main")).childNodes);
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    document.title = page.title;
    localize(main);
  } catch {
    fresh.textContent = ", and no newer figures came";
  }
}

localize(document);
if (document.getElementById("fresh")) setInterval(refresh, EVERY);
