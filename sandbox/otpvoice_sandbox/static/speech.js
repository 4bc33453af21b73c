// The speech of a call: words appear as they are spoken, by the browser's voice or at an average pace.

const STEP_MS = 40;
const PAUSE_S = 1.5; // after the start of the last word
const MAX_DELAY_S = 2; // a page that opens later shows the words without sound

window.speechSynthesis?.getVoices(); // the first call only starts loading the voices

const active = new Set();

const wordsOf = (speech) => [...speech.querySelectorAll(".word")];

/** Starts each speech that is new on the page. The words of ended speeches are shown at once. */
export function startNewSpeeches(clockOffset, withSound) {
  for (const speech of document.querySelectorAll(".speech:not([data-started-here])")) {
    speech.dataset.startedHere = "";
    const elapsed = (Date.now() + clockOffset - Number(speech.dataset.started)) / 1000;
    const last = Number(wordsOf(speech).at(-1)?.dataset.start ?? 0);
    const from = Number(speech.dataset.from); // after a key, the words before it are past
    const first = wordsOf(speech).find((word) => Number(word.dataset.position) >= from);
    if (!("cut" in speech.dataset) && elapsed < last + PAUSE_S) {
      start(speech, elapsed, withSound && elapsed < Number(first?.dataset.start ?? 0) + MAX_DELAY_S, from);
    }
  }
}

/** Mutes the current speeches; their words continue. */
export const muteAll = () => active.forEach((playback) => playback.mute());

/** Plays a speech from its beginning, with sound. */
export const replay = (speech) => start(speech, 0, true, 0);

function start(speech, elapsed, withSound, from) {
  const words = wordsOf(speech);
  const startedAt = Date.now() - elapsed * 1000;
  const playback = {
    starts: words.map((word) => Number(word.dataset.start)),
    clock: () => (Date.now() - startedAt) / 1000,
    mute() {},
  };
  active.add(playback);
  speech.dataset.playback = String(startedAt);
  animate(speech, words, playback);
  if (withSound) speak(speech, words, playback, from);
}

function animate(speech, words, playback) {
  const id = speech.dataset.playback;
  const timer = setInterval(() => {
    const now = playback.clock();
    const count = playback.starts.filter((seconds) => seconds <= now).length;
    words.forEach((word, index) => (word.dataset.said = index >= count ? "not" : index === count - 1 ? "now" : "yes"));
    const isOver = count === words.length && now > playback.starts.at(-1) + PAUSE_S;
    const isReplaced = !speech.isConnected || speech.dataset.playback !== id;
    if (!isOver && !isReplaced) return;
    clearInterval(timer);
    active.delete(playback);
    playback.mute();
    if (!isReplaced) words.forEach((word) => (word.dataset.said = "yes"));
  }, STEP_MS);
}

// Speak with the browser's voice. Some browsers report the current word, which then sets the pace.
function speak(speech, words, playback, from) {
  if (!window.speechSynthesis?.getVoices().length) return;
  const text = speech.querySelector(".spoken-text").textContent.slice(from);
  const utterance = new SpeechSynthesisUtterance(text);
  utterance.lang = speech.lang;
  const positions = words.map((word) => Number(word.dataset.position));
  utterance.onboundary = ({ charIndex }) => {
    const index = positions.findLastIndex((position) => position <= from + charIndex);
    const start = playback.starts[index];
    const reached = Date.now();
    const limit = (playback.starts[index + 1] ?? Infinity) - start - 0.01;
    playback.clock = () => start + Math.min((Date.now() - reached) / 1000, limit);
  };
  utterance.onend = () => (playback.clock = () => Infinity);
  playback.mute = () => speechSynthesis.cancel();
  speechSynthesis.cancel();
  speechSynthesis.speak(utterance);
}
