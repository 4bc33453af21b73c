// The style of the element. Pages change it with the custom properties and `::part`.
//
// It follows the `color-scheme` of the page, not of the system, because a page may have one only. A
// constructed style sheet is allowed by policies that forbid inline styles.

const CSS = `
:host {
  --_accent: var(--otpvoice-accent, #0b6e4f);
  --_on-accent: var(--otpvoice-on-accent, #fff);
  --_soft: var(--otpvoice-soft, #57635c);
  --_line: var(--otpvoice-line, #d5dbd4);
  --_field: var(--otpvoice-field, transparent);
  --_wash: var(--otpvoice-wash, #e6f2ec);
  --_wash-ink: var(--otpvoice-wash-ink, #17211c);
  --_wash-soft: var(--otpvoice-wash-soft, #4a5750);
  --_error: var(--otpvoice-error, #b3261e);
  --_radius: var(--otpvoice-radius, 0.6rem);
  display: block;
  line-height: 1.5;
}
@supports (color: light-dark(red, red)) {
  :host {
    --_accent: var(--otpvoice-accent, light-dark(#0b6e4f, #5fd3a5));
    --_on-accent: var(--otpvoice-on-accent, light-dark(#fff, #06251a));
    --_soft: var(--otpvoice-soft, light-dark(#57635c, #a3b0a8));
    --_line: var(--otpvoice-line, light-dark(#d5dbd4, #364039));
    --_wash: var(--otpvoice-wash, light-dark(#e6f2ec, #1d2f27));
    --_wash-ink: var(--otpvoice-wash-ink, light-dark(#17211c, #e8eee9));
    --_wash-soft: var(--otpvoice-wash-soft, light-dark(#4a5750, #a9b8af));
    --_error: var(--otpvoice-error, light-dark(#b3261e, #ff9d94));
  }
}
:host([hidden]), [hidden] { display: none !important; }
* { box-sizing: border-box; }
p { margin: 0; }
:focus-visible { outline: 3px solid var(--_accent); outline-offset: 2px; }

.progress {
  display: flex;
  gap: 1rem;
  align-items: center;
  min-height: 6rem;
  padding: 1rem;
  color: var(--_wash-ink);
  background: var(--_wash);
  border-radius: calc(var(--_radius) + 0.2rem);
}
svg { flex: none; width: 2rem; height: 2rem; fill: var(--_accent); }
.status { font-weight: 600; }
.caller { color: var(--_wash-soft); font-size: 0.875rem; }
.caller:not(:empty) { margin-top: 0.15rem; }

label { display: block; margin: 1.25rem 0 0.35rem; font-weight: 600; }
input {
  width: 100%;
  min-height: 3.25rem;
  padding: 0.6rem 0.85rem;
  color: inherit;
  background: var(--_field);
  border: 1px solid var(--_soft);
  border-radius: var(--_radius);
  font: inherit;
  font-size: 1.6rem;
  font-variant-numeric: tabular-nums;
  letter-spacing: 0.4em;
}
input:disabled { opacity: 0.55; }
[aria-invalid='true'] { border-color: var(--_error); }

/* One field that looks like a box for each digit. It is one box wider than what is visible, so that
   the browser does not scroll it after the last digit. */
:host([boxes]) form { container-type: inline-size; }
:host([boxes]) .field {
  --_gap: 0.5rem;
  --_fit: calc((100cqi - (var(--_length) - 1) * var(--_gap)) / var(--_length));
  --_box: min(var(--otpvoice-box, 3rem), var(--_fit));
  --_step: calc(var(--_box) + var(--_gap));
  --_underline: var(--_soft);
  width: calc(var(--_length) * var(--_step) - var(--_gap));
  margin-top: 0.6rem;
  overflow: clip;
}
:host([boxes]) .life { margin-top: 0.75rem; }
:host([boxes]) .field:focus-within { outline: 3px solid var(--_accent); outline-offset: 4px; }
:host([boxes]) .field:has([aria-invalid='true']) { --_underline: var(--_error); }
:host([boxes]) input {
  width: calc((var(--_length) + 1) * var(--_step));
  padding: 0 0 0 calc(var(--_box) / 2 - 0.5ch);
  color: var(--_wash-ink);
  background:
    repeating-linear-gradient(90deg, var(--_underline) 0 var(--_box), transparent 0 var(--_step))
      bottom / 100% 2px no-repeat,
    repeating-linear-gradient(90deg, var(--_wash) 0 var(--_box), transparent 0 var(--_step));
  border: 0;
  border-radius: 0;
  outline: none;
  font-family: ui-monospace, SFMono-Regular, 'Noto Sans Mono', Menlo, Consolas, monospace;
  letter-spacing: calc(var(--_step) - 1ch);
}

@media (forced-colors: active) {
  :host([boxes]) .field { border: 1px solid; } /* gradients are not drawn */
}

.life, .again-note { color: var(--_soft); font-size: 0.875rem; font-variant-numeric: tabular-nums; }
.life { margin-top: 0.35rem; }
.again-note { min-height: 1.5em; margin-top: 1.5rem; }
.error { color: var(--_error); font-weight: 600; }
.error:not(:empty) { margin-top: 0.75rem; }

button {
  width: 100%;
  min-height: 3rem;
  padding: 0.6rem 1rem;
  color: var(--_on-accent);
  background: var(--_accent);
  border: 1px solid var(--_accent);
  border-radius: var(--_radius);
  font: inherit;
  font-weight: 600;
  cursor: pointer;
}
button:hover { filter: brightness(1.08); }
button:disabled { opacity: 0.45; cursor: not-allowed; filter: none; }
[aria-busy='true'] { cursor: progress; }
.confirm { margin-top: 1.25rem; }
.quiet { color: inherit; background: transparent; border-color: var(--_line); }
.choices { display: grid; grid-template-columns: 2fr 1fr; gap: 0.75rem; margin-top: 0.5rem; }

.end { display: grid; gap: 1.25rem; }
.outcome { display: flex; gap: 1rem; align-items: center; font-weight: 600; }
.outcome-text:focus { outline: none; }
.done {
  padding: 0.4rem;
  background: var(--_wash);
  border-radius: 50%;
  fill: none;
  stroke: var(--_accent);
  stroke-width: 3;
}

@media (prefers-reduced-motion: no-preference) {
  [data-call='dialing'] svg, [data-call='placed'] svg { animation: ring 1.4s infinite; }
}
@keyframes ring {
  0%, 50%, 100% { transform: rotate(0); }
  10%, 30% { transform: rotate(-14deg); }
  20%, 40% { transform: rotate(14deg); }
}
`

/** @type {CSSStyleSheet | undefined} */
let sheet

/** Returns the style sheet, which all elements of a page share. */
export function styleSheet() {
  if (!sheet) {
    sheet = new CSSStyleSheet()
    sheet.replaceSync(CSS)
  }
  return sheet
}
