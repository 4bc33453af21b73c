// What the theme leaves out for screen readers and keyboards: a name for the landmark of each code block, and
// the focus for tables that scroll.
const complete = () => {
  document.querySelectorAll(".md-code__nav:not([aria-label])").forEach((nav, index) => {
    nav.setAttribute("aria-label", `Code block ${index + 1}`);
  });
  document.querySelectorAll(".md-typeset__scrollwrap:not([tabindex])").forEach((table) => {
    table.setAttribute("tabindex", "0");
  });
};
new MutationObserver(complete).observe(document.body, { childList: true, subtree: true });
complete();
