// What a phone says: its words appear as they are spoken, with the sound or at the pace of a voice.

const STEP = 40; // milliseconds
const REST = 1.5; // seconds after the last word begins
const LATE = 2; // seconds: who comes later reads along in silence

window.speechSynthesis?.getVoices(); // asked for the first time, they come later

const speaking = new Set();

const wordsOf = (speech) => [...speech.querySelectorAll(".word")];

/** Says each speech that is new on the page; the words of old ones simply stand there. */
export function attend(ahead, sounds) {
  for (const speech of document.querySelectorAll(".speech:not([data-attended])")) {
    speech.dataset.attended = "";
    const elapsed = (Date.now() + ahead - Number(speech.dataset.began)) / 1000;
    const last = Number(wordsOf(speech).at(-1)?.dataset.begins ?? 0);
    if (!("cut" in speech.dataset) && elapsed < last + REST) say(speech, elapsed, sounds && elapsed < LATE);
  }
}

/** What is being said goes on without sound. */
export const mute = () => speaking.forEach((reading) => reading.mute());

/** Says it once more from the beginning, with sound. */
export const sayAgain = (speech) => say(speech, 0, true);

async function say(speech, elapsed, sounds) {
  const words = wordsOf(speech);
  const begins = words.map((word) => Number(word.dataset.begins));
  const began = Date.now() - elapsed * 1000;
  const reading = { begins, clock: () => (Date.now() - began) / 1000, hush() {}, mute() {} };
  speaking.add(reading);
  speech.dataset.reading = String(began);
  show(speech, words, reading);
  if (sounds) await (speech.dataset.voice ? play(speech, reading) : lend(speech, words, reading));
}

function show(speech, words, reading) {
  const mine = speech.dataset.reading;
  const step = setInterval(() => {
    const now = reading.clock();
    const said = reading.begins.filter((begins) => begins <= now).length;
    words.forEach((word, at) => (word.dataset.said = at >= said ? "not" : at === said - 1 ? "now" : "yes"));
    const isOver = said === words.length && now > reading.begins.at(-1) + REST;
    const isGone = !speech.isConnected || speech.dataset.reading !== mine;
    if (!isOver && !isGone) return;
    clearInterval(step);
    speaking.delete(reading);
    reading.hush(); // the voice says all, and of a call that was cut short there is but the beginning
    if (!isGone) words.forEach((word) => (word.dataset.said = "yes"));
  }, STEP);
}

// The server's voice, which tells when it says which word.
async function play(speech, reading) {
  const answer = await fetch(speech.dataset.voice);
  if (!answer.ok) return;
  const { begins, sound } = await answer.json();
  const audio = new Audio(sound);
  reading.hush = () => audio.pause();
  reading.mute = () => (audio.muted = true);
  try {
    await audio.play();
  } catch {
    return; // the browser keeps the page silent: the words go on at their pace
  }
  if (!speech.isConnected) audio.pause();
  reading.begins = begins.slice(0, reading.begins.length);
  reading.clock = () => (audio.ended ? Infinity : audio.currentTime);
}

// The browser's voice; some tell where they are, others nothing.
function lend(speech, words, reading) {
  if (!window.speechSynthesis?.getVoices().length) return;
  const text = speech.querySelector(".aloud").textContent;
  const utterance = new SpeechSynthesisUtterance(text);
  utterance.lang = speech.lang;
  const places = words.map((word) => Number(word.dataset.at));
  utterance.onboundary = ({ charIndex }) => {
    const at = places.findLastIndex((place) => place <= charIndex);
    const behind = reading.begins[at];
    const now = Date.now();
    reading.clock = () => behind + Math.min((Date.now() - now) / 1000, (reading.begins[at + 1] ?? Infinity) - behind - 0.01);
  };
  utterance.onend = () => (reading.clock = () => Infinity);
  reading.hush = reading.mute = () => speechSynthesis.cancel();
  speechSynthesis.cancel();
  speechSynthesis.speak(utterance);
}
