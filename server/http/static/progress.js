// How far a picture is: bar, sentence, the window's title, and now and then a word for screen readers.

import { roughly } from "./words.js";

const $ = (id) => document.getElementById(id);
const TITLE = document.title;
const STAGES = { sending: "Sending", computing: "Enlarging", receiving: "Receiving" };

let begun = 0; // ms
let quarters = 0; // that were said

export function start() {
  [begun, quarters] = [performance.now(), 0];
  show("sending", null);
  say("Enlarging.");
}

/** Seconds since the start. */
export const seconds = () => (performance.now() - begun) / 1000;

/** Shows a stage, and the fraction 0…1 of it that is done; null where that is not known. */
export function show(stage, fraction) {
  const known = fraction !== null;
  if (known) $("bar").value = fraction;
  else $("bar").removeAttribute("value");
  const left = stage === "computing" && fraction > 0.05 ? `, ${roughly((seconds() * (1 - fraction)) / fraction)} left` : "";
  const share = known ? ` ${Math.floor(fraction * 100)} %` : ` ${Math.floor(seconds())} s`;
  $("progress-text").textContent = `${STAGES[stage]}…${share}${left}`;
  if (stage !== "computing" || !known) return;
  document.title = `${Math.floor(fraction * 100)} % · ${TITLE}`;
  if (Math.floor(fraction * 4) > quarters) {
    quarters = Math.floor(fraction * 4);
    say(`${quarters * 25} %${left}`);
  }
}

export function waiting() {
  $("bar").removeAttribute("value");
  $("progress-text").textContent = "Waiting for another picture to be done…";
}

export function end(word) {
  document.title = TITLE;
  say(word);
}

/** For screen readers only, and seldom: the eye has the bar. */
function say(text) {
  $("said").textContent = text;
}
