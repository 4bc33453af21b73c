// The bell: two short tones and a pause, made here and not fetched. Browsers let a page be heard only
// once it was used.

const CADENCE = 3000; // milliseconds
let context = null;
let bell = null;
let isWanted = false;

function isAllowed() {
  if (navigator.userActivation?.hasBeenActive ?? true) return true;
  if (window === window.top) return false;
  // A frame may be heard if the page around it was used and lets it: only a context can tell.
  context ??= newContext();
  context.resume();
  return context.state === "running";
}

function newContext() {
  const made = new AudioContext();
  made.onstatechange = () => document.dispatchEvent(new Event("audible"));
  return made;
}

function tone(begins, frequency) {
  const oscillator = new OscillatorNode(context, { frequency, type: "triangle" });
  const volume = new GainNode(context, { gain: 0 });
  volume.gain.setTargetAtTime(0.09, begins, 0.01);
  volume.gain.setTargetAtTime(0, begins + 0.34, 0.05);
  oscillator.connect(volume).connect(context.destination);
  oscillator.start(begins);
  oscillator.stop(begins + 0.7);
}

function strike() {
  for (const begins of [0, 0.6]) {
    tone(context.currentTime + begins, 620);
    tone(context.currentTime + begins, 780);
  }
}

/** Rings or not; returns whether the browser keeps it silent. */
export function ring(on) {
  isWanted = on;
  if (on && !bell && isAllowed()) {
    context ??= newContext();
    context.resume();
    strike();
    bell = setInterval(strike, CADENCE);
  } else if (!on && bell) {
    clearInterval(bell);
    bell = null;
    context.suspend();
  }
  return on && !bell;
}

/** The page was used: it may be heard from now on. */
export const permit = () => ring(isWanted);
