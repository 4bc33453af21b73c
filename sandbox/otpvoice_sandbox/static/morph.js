// Changes one element into another with as few modifications as possible, so that focus, open details
// and live regions are preserved.

const keyOf = (node) => (node.nodeType === Node.ELEMENT_NODE ? node.dataset.key || node.tagName : node.nodeType);

/** Makes `old` equal to `fresh`. Elements with the same `data-keep` are not modified. */
export function morph(old, fresh) {
  if (old.dataset.keep && old.dataset.keep === fresh.dataset.keep) return;
  if (old.dataset.keep !== fresh.dataset.keep) {
    old.replaceWith(fresh);
    return;
  }
  copyAttributes(old, fresh);
  copyChildren(old, fresh);
}

function copyAttributes(old, fresh) {
  for (const { name } of [...old.attributes]) {
    if (name !== "open" && !fresh.hasAttribute(name)) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (name !== "open" && old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
}

function copyChildren(old, fresh) {
  let here = old.firstChild;
  for (const child of [...fresh.childNodes]) {
    let same = here;
    while (same && keyOf(same) !== keyOf(child)) same = same.nextSibling;
    if (!same) {
      old.insertBefore(child, here);
      continue;
    }
    while (here !== same) here = removed(here);
    here = same.nextSibling;
    if (child.nodeType === Node.ELEMENT_NODE) morph(same, child);
    else if (same.data !== child.data) same.data = child.data;
  }
  while (here) here = removed(here);
}

function removed(node) {
  const next = node.nextSibling;
  node.remove();
  return next;
}
