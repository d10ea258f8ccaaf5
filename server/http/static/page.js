// The page: a photo in, the enlarged one out. Wires elements to api.js, settings.js, progress.js, viewer.js and state.js.

import { Cancelled, enlarge, getBlob, getJson, takeToken } from "./api.js";
import { Comparison } from "./comparison.js";
import * as progress from "./progress.js";
import { Settings } from "./settings.js";
import { SizeControl } from "./size.js";
import { speedOf, watchState } from "./state.js";
import { Viewer } from "./viewer.js";
import { bytes, pixels, resultName, roughly } from "./words.js";

const $ = (id) => document.getElementById(id);
const viewer = new Viewer($("result"));
const settings = new Settings(() => changed());
const sizing = new SizeControl(() => changed());
const comparison = new Comparison(settings);
let photo = null;
let size = null; // of the photo, where this browser can show it
let running = null; // what enlarge() gave
let cancelled = false;
let shown = []; // object addresses of the pictures on the page

// ---- the photo

async function choose(file) {
  if (running) return;
  if (!file) return tell("No picture was found in that; expected a PNG, JPEG, TIFF, WebP or AVIF file.");
  tell("");
  photo = file;
  take(null);
  $("chosen").textContent = `${file.name || "pasted picture"}, ${bytes(file.size)}`;
  $("start").disabled = !settings.usable;
  for (const id of ["drop", "result"]) $(id).hidden = true;
  for (const id of ["preview", "another"]) $(id).hidden = false;
  isNext("start");
  await preview(file);
}

function take(itsSize) {
  size = itsSize;
  sizing.photo = itsSize;
  tellSizes();
  comparison.offer(itsSize && $("preview-image"));
}

function changed() {
  tellSizes();
  isNext("start");
}

async function preview(file) {
  show(file);
  const image = $("preview-image");
  image.src = shown[0];
  const visible = await image.decode().then(() => true, () => false);
  if (photo !== file) return;
  image.hidden = !visible;
  $("preview-none").hidden = visible;
  if (!visible) return;
  take({ width: image.naturalWidth, height: image.naturalHeight });
  isNext("start");
}

/** Makes addresses for files, and gives up those of the pictures shown before. */
function show(...files) {
  shown.forEach(URL.revokeObjectURL);
  shown = files.map((each) => URL.createObjectURL(each));
}

function tellSizes() {
  const { result } = sizing;
  $("sizes").textContent = result ? `${pixels(size)} → ${pixels(result)} pixels` : "";
  const speed = result && speedOf(settings.model, Number(settings.detail));
  const seconds = speed && (sizing.work * size.width * size.height) / 1e6 / speed;
  $("estimate").textContent = speed ? `By the speed measured so far: ${roughly(seconds)}.` : "";
}

const firstImage = (transfer) => [...(transfer?.files ?? [])].find((file) => !file.type || file.type.startsWith("image/"));

function listenForPhotos() {
  const over = (is) => document.body.classList.toggle("over", is);
  $("file").addEventListener("change", () => $("file").files[0] && choose($("file").files[0]));
  $("another").addEventListener("click", () => {
    $("file").value = ""; // the same file once more is a choice as well
    $("file").click();
  });
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    over(!running);
  });
  document.addEventListener("dragleave", (event) => event.relatedTarget || over(false));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    over(false);
    choose(firstImage(event.dataTransfer));
  });
  document.addEventListener("paste", (event) => {
    if (event.clipboardData?.files.length) choose(firstImage(event.clipboardData));
  });
}

// ---- enlarging

async function run(event) {
  event.preventDefault();
  const source = photo;
  busy(true);
  let [answer, word] = [null, ""];
  try {
    answer = await patiently(() => {
      running = enlarge(source, settings, sizing.query, advance);
      return running.answer;
    });
  } catch (fault) {
    if (fault instanceof Cancelled) word = "Cancelled.";
    else tell(fault);
  }
  running = null;
  busy(false);
  progress.end(answer ? "Done." : word);
  if (answer) await present(source, answer);
}

/** The server takes one file at a time: while it is busy, try again each second, for a minute. */
async function patiently(send) {
  for (let left = 60; ; left -= 1) {
    try {
      return await send();
    } catch (fault) {
      if (fault.status !== 503 || left === 0) throw fault;
    }
    progress.waiting();
    await new Promise((resolve) => setTimeout(resolve, 1000));
    if (cancelled) throw new Cancelled();
  }
}

function busy(is) {
  document.body.classList.toggle("busy", is);
  for (const id of ["start", "estimate"]) $(id).hidden = is;
  for (const id of ["cancel", "progress"]) $(id).hidden = !is;
  for (const id of ["file", "another", "size"]) $(id).disabled = is;
  settings.lock(is);
  if (is) {
    cancelled = false;
    tell("");
    progress.start();
  }
  (is ? $("cancel") : $("start")).focus({ preventScroll: true });
}

function cancel() {
  cancelled = true;
  running?.cancel();
}

function advance(stage, fraction) {
  if (stage === "receiving") running.received = true;
  progress.show(stage, fraction);
  if (stage === "computing") watchComputing();
}

/** The file route answers when all is done; meanwhile the server's state says how far it is. */
async function watchComputing() {
  const mine = running;
  const goesOn = () => running === mine && !mine.received;
  while (goesOn()) {
    await new Promise((resolve) => setTimeout(resolve, 400));
    const told = await getJson("/v1/status").catch(() => null);
    if (goesOn()) progress.show("computing", told?.file_progress ?? null);
  }
}

async function present(source, { blob, result, model, detail, cleanup, notices }) {
  const seconds = progress.seconds();
  show(source, blob);
  const link = $("download");
  link.href = shown[1];
  link.download = link.title = resultName(source.name, sizing.label(result), blob.type);
  $("preview").hidden = true;
  $("result").hidden = false;
  const visible = await viewer.show(...shown);
  for (const id of ["viewer", "tools"]) $(id).inert = !visible;
  const first = visible ? `${pixels(result)} pixels` : "This browser cannot show this format, but the result is there";
  const setting = [model, detail !== null && `detail ${detail}`, cleanup !== null && `clean-up ${cleanup}`].filter(Boolean).join(", ");
  $("result-text").textContent = [first, bytes(blob.size), `${seconds.toFixed(1)} s`, setting, notices].filter(Boolean).join(" · ");
  isNext("download");
  $("result-title").focus();
}

/** Of the two strong buttons, only what comes next is strong. */
function isNext(id) {
  for (const each of ["start", "download"]) $(each).classList.toggle("primary", each === id);
  $("start").textContent = id === "start" ? `Enlarge ${sizing.words}` : "Enlarge again";
}

// ---- everything else

async function savePlugin(editor) {
  try {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await getBlob(`/v1/plugins/${editor}`));
    link.download = `neural-upscale-${editor}.zip`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  } catch (fault) {
    tell(fault);
  }
}

/** Shows a fault, or a sentence; nothing, where there is none any more. */
function tell(fault) {
  const unknown = fault?.status === 401;
  const text = unknown ? "This page does not know the server's token (it changes at every start): open it with  neural-upscale open" : fault?.message ?? fault;
  $("problem").textContent = text;
  $("problem").hidden = !text;
  if (text) $("problem").scrollIntoView({ block: "nearest" });
}

async function begin() {
  listenForPhotos();
  $("order").addEventListener("submit", run);
  $("cancel").addEventListener("click", cancel);
  for (const button of document.querySelectorAll("[data-plugin]")) {
    button.addEventListener("click", () => savePlugin(button.dataset.plugin));
  }
  window.addEventListener("hashchange", () => takeToken() && location.reload());
  if (!takeToken()) return without({ status: 401 });
  try {
    (await settings.load()).forEach(tell);
    await watchState(tell);
    $("start").disabled = !photo || !settings.usable;
    tellSizes();
    if (size) comparison.offer($("preview-image"));
  } catch (fault) {
    without(fault);
  }
}

function without(fault) {
  $("model-help").textContent = ""; // nothing is loading any more
  tell(fault);
}

begin();
