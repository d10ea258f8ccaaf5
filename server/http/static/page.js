// The page: a photo in, the enlarged one out, and what the server is doing. Wires elements to api.js and viewer.js.

import { Cancelled, enlarge, getBlob, getJson, takeToken } from "./api.js";
import { Viewer } from "./viewer.js";

const $ = (id) => document.getElementById(id);
const LOOK_EVERY = 3000; // ms between looks at the server's state
const viewer = new Viewer($("result"));
let photo = null;
let running = null;
let models = {};
let shown = [];

// ---- the photo

function choose(file) {
  if (running) return;
  if (!file) return tell("No picture was found in that; expected a PNG, JPEG, TIFF or WebP file.");
  tell("");
  photo = file;
  $("chosen").textContent = `${file.name || "pasted picture"}, ${bytes(file.size)}`;
  $("start").disabled = !Object.keys(models).length;
}

const firstImage = (transfer) => [...(transfer?.files ?? [])].find((file) => !file.type || file.type.startsWith("image/"));

function listenForPhotos() {
  $("file").addEventListener("change", () => $("file").files[0] && choose($("file").files[0]));
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    $("drop").classList.add("over");
  });
  document.addEventListener("dragleave", (event) => event.relatedTarget || $("drop").classList.remove("over"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    $("drop").classList.remove("over");
    choose(firstImage(event.dataTransfer));
  });
  document.addEventListener("paste", (event) => {
    if (event.clipboardData?.files.length) choose(firstImage(event.clipboardData));
  });
}

// ---- enlarging

async function run(event) {
  event.preventDefault();
  const begun = performance.now();
  const [source, model] = [photo, $("model").value];
  const detail = models[model]?.detail ? $("detail").value : null;
  busy(true);
  let answer = null;
  try {
    answer = await patiently(() => {
      running = enlarge(source, model, detail, (stage, fraction) => progress(stage, fraction, begun));
      return running.answer;
    });
  } catch (fault) {
    if (fault instanceof Cancelled) $("chosen").textContent = "Cancelled; nothing was changed.";
    else tell(fault);
  } finally {
    running = null;
    busy(false);
  }
  if (answer) await present(source, answer, (performance.now() - begun) / 1000);
}

/** The server takes one file at a time: while it is busy, try again each second, for a minute. */
async function patiently(send) {
  for (let left = 60; ; left -= 1) {
    try {
      return await send();
    } catch (fault) {
      if (fault.status !== 503 || left === 0) throw fault;
    }
    $("progress-text").textContent = "Waiting for another picture to be done…";
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

function busy(is) {
  $("start").disabled = is;
  $("cancel").hidden = !is;
  $("progress").hidden = !is;
  for (const id of ["file", "model"]) $(id).disabled = is;
  $("detail").disabled = is || !models[$("model").value]?.detail?.highest;
  if (is) tell("");
  (is ? $("cancel") : $("start")).focus();
}

const STAGES = { sending: "Sending", computing: "Enlarging", receiving: "Receiving" };

function progress(stage, fraction, begun) {
  if (stage === "receiving") running.received = true;
  const [bar, seconds] = [$("bar"), Math.round((performance.now() - begun) / 1000)];
  if (stage === "computing" && fraction === null) watchComputing(begun);
  if (fraction === null) bar.removeAttribute("value");
  else bar.value = fraction;
  const left = stage === "computing" && fraction > 0.05 ? `, about ${Math.ceil((seconds * (1 - fraction)) / fraction)} s left` : "";
  const share = fraction === null ? "" : ` ${Math.floor(fraction * 100)} %`;
  $("progress-text").textContent = `${STAGES[stage]}…${share}${left}`;
}

/** The file route answers when all is done; meanwhile the server's state says how far it is. */
async function watchComputing(begun) {
  const mine = running;
  while (running === mine && !mine.received) {
    await new Promise((resolve) => setTimeout(resolve, 400));
    const told = await getJson("/v1/status").catch(() => null);
    if (running === mine && typeof told?.file_progress === "number") progress("computing", told.file_progress, begun);
  }
}

async function present(source, { blob, model, detail, notices }, seconds) {
  shown.forEach(URL.revokeObjectURL);
  shown = [source, blob].map((each) => URL.createObjectURL(each));
  const link = $("download");
  link.href = shown[1];
  link.download = resultName(source.name, blob.type);
  $("result").hidden = false;
  const visible = await viewer.show(...shown);
  for (const id of ["viewer", "split", "zooms"]) $(id).inert = !visible;
  const { naturalWidth: width, naturalHeight: height } = viewer.after;
  const size = visible ? `${width} × ${height} pixels, ` : "This browser cannot show this format, but the result is there: ";
  const setting = detail === null ? model : `${model}, detail ${detail}`;
  $("result-text").textContent = `${size}${bytes(blob.size)}, ${seconds.toFixed(1)} s, ${setting}. ${notices}`;
  $("result-title").focus();
}

function resultName(name, type) {
  const ending = { "image/png": ".png", "image/jpeg": ".jpg", "image/tiff": ".tif", "image/webp": ".webp" }[type] ?? "";
  const [, stem, old] = /^(.*?)(\.[^.]*)?$/.exec(name || "picture");
  const same = ending === old?.toLowerCase() || { ".jpg": ".jpeg", ".tif": ".tiff" }[ending] === old?.toLowerCase();
  return `${stem}-x2${same ? old : ending}`;
}

// ---- models and state

async function loadModels() {
  const told = await getJson("/v1/models");
  models = Object.fromEntries(told.models.filter((each) => each.usable).map((each) => [each.name, each]));
  $("model").replaceChildren(...Object.values(models).map((each) => {
    const label = each.name === told.default ? `${each.name} (default)` : each.name;
    return new Option(label, each.name, each.name === told.default, each.name === told.default);
  }));
  for (const each of told.broken) tell(`The model ${each.name} cannot be used: ${each.message}`);
  if (!told.models.length) tell("The server has no model; put a .safetensors file into its weights folder.");
  pickModel();
}

function pickModel() {
  const detail = models[$("model").value]?.detail;
  $("detail").disabled = !detail?.highest;
  $("detail").value = detail?.default ?? 0;
  showDetail();
}

function showDetail() {
  const text = $("detail").disabled ? "faithful only" : Number($("detail").value).toFixed(2);
  $("detail-text").value = text;
  $("detail").setAttribute("aria-valuetext", text);
}

async function look() {
  try {
    const [told, log] = await Promise.all([getJson("/v1/status"), getJson("/v1/log")]);
    showState(told);
    showLog(log.lines);
  } catch (fault) {
    $("server-line").textContent = "no answer";
    if (fault.status === 401) throw fault;
  }
}

function showState(told) {
  const devices = told.devices.map((each) => each.device).join(", ") || "loading its device";
  $("server-line").textContent = `version ${told.version} on ${devices}`;
  const loaded = told.devices.flatMap((each) => each.loaded.map((one) =>
    one.detail === null ? `${one.model} (${one.dtype})` : `${one.model} at detail ${one.detail} (${one.dtype})`));
  const memory = told.devices.filter((each) => each.memory.total).map((each) =>
    `${bytes(each.memory.ours)} of ${bytes(each.memory.total)} on ${each.device}`);
  const engines = told.devices.flatMap((each) => Object.entries(each.engine?.running ?? {}).map((one) => `${one[1]} for ${one[0]}`));
  const rows = {
    Device: devices,
    Loaded: loaded.join(", ") || "nothing",
    Engine: engines.join(", ") || "torch",
    Memory: [`${bytes(told.memory.resident)} of main memory`, ...memory].join(", "),
    Queue: `${told.queue.requests} of ${told.queue.bound} pictures, ${told.queue.waiting} tiles waiting, ${told.queue.running} running`,
    Limit: `${told.limits.megapixels} megapixels, ${bytes(told.limits.file_bytes)} a file`,
    Running: `for ${duration(told.uptime_seconds)}, process ${told.pid}`,
  };
  const cells = Object.entries(rows).flatMap(([name, value]) => [element("dt", name), element("dd", value)]);
  $("status").replaceChildren(...cells);
}

function showLog(lines) {
  const box = $("log");
  const atEnd = box.scrollTop + box.clientHeight >= box.scrollHeight - 4;
  box.textContent = lines.map(readable).join("\n") || "Nothing yet.";
  if (atEnd) box.scrollTop = box.scrollHeight;
}

function readable(line) {
  const { time, level, message, ...rest } = line;
  const told = Object.entries(rest).filter(([name]) => name !== "traceback").map(([name, value]) => `${name}=${value}`);
  return `${time.slice(11, 19)} ${level} ${message} ${told.join(" ")}`;
}

async function savePlugin(editor) {
  try {
    const link = element("a", "");
    link.href = URL.createObjectURL(await getBlob(`/v1/plugins/${editor}`));
    link.download = `neural-upscale-${editor}.zip`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  } catch (fault) {
    tell(fault);
  }
}

// ---- small things

function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

function tell(fault) {
  const unknown = fault?.status === 401;
  const text = unknown ? "This page does not know the server's token (it changes at every start): open it with  neural-upscale open" : fault?.message ?? fault;
  $("problem").textContent = text;
  $("problem").hidden = !text;
}

function bytes(count) {
  if (count === null || count === undefined) return "?";
  const steps = ["B", "KiB", "MiB", "GiB", "TiB"];
  const power = Math.min(steps.length - 1, Math.floor(Math.log2(Math.max(1, count)) / 10));
  return `${(count / 1024 ** power).toFixed(power ? 1 : 0)} ${steps[power]}`;
}

function duration(seconds) {
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  return hours ? `${hours} h ${minutes} min` : minutes ? `${minutes} min` : `${Math.floor(seconds)} s`;
}

async function begin() {
  listenForPhotos();
  $("order").addEventListener("submit", run);
  $("cancel").addEventListener("click", () => running?.cancel());
  $("model").addEventListener("change", pickModel);
  $("detail").addEventListener("input", showDetail);
  for (const button of document.querySelectorAll("[data-plugin]")) {
    button.addEventListener("click", () => savePlugin(button.dataset.plugin));
  }
  window.addEventListener("hashchange", () => takeToken() && location.reload());
  if (!takeToken()) return tell({ status: 401 });
  try {
    await loadModels();
    await look();
    $("start").disabled = !photo;
    setInterval(() => document.hidden || look().catch(tell), LOOK_EVERY);
  } catch (fault) {
    tell(fault);
  }
}

begin();
