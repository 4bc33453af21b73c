// The ringtone: two short synthesized tones and a pause. Browsers allow sound only after the user has
// interacted with the page.

const CADENCE_MS = 3000;
let context = null;
let timer = null;
let shouldRing = false;

function isAllowed() {
  if (navigator.userActivation?.hasBeenActive ?? true) return true;
  if (window === window.top) return false;
  // A frame may play sound if the user has interacted with the page around it and that page delegates
  // the permission. Only an audio context reports this.
  context ??= createContext();
  context.resume();
  return context.state === "running";
}

function createContext() {
  const created = new AudioContext();
  created.onstatechange = () => document.dispatchEvent(new Event("audible"));
  return created;
}

function playTone(start, frequency) {
  const oscillator = new OscillatorNode(context, { frequency, type: "triangle" });
  const volume = new GainNode(context, { gain: 0 });
  volume.gain.setTargetAtTime(0.09, start, 0.01);
  volume.gain.setTargetAtTime(0, start + 0.34, 0.05);
  oscillator.connect(volume).connect(context.destination);
  oscillator.start(start);
  oscillator.stop(start + 0.7);
}

function playRing() {
  for (const delay of [0, 0.6]) {
    playTone(context.currentTime + delay, 620);
    playTone(context.currentTime + delay, 780);
  }
}

/** Starts or stops the ringtone; returns whether the browser blocks it. */
export function setRinging(on) {
  shouldRing = on;
  if (on && !timer && isAllowed()) {
    context ??= createContext();
    context.resume();
    playRing();
    timer = setInterval(playRing, CADENCE_MS);
  } else if (!on && timer) {
    clearInterval(timer);
    timer = null;
    context.suspend();
  }
  return on && !timer;
}

/** Tries again after the user has interacted with the page; returns whether it is still blocked. */
export const retryRinging = () => setRinging(shouldRing);
