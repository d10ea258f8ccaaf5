// What the server is doing: the line in the head, the table, the log. Looks every few seconds while the page is seen.

import { getJson } from "./api.js";
import { bytes, duration, logLine } from "./words.js";

const LOOK_EVERY = 3000; // ms

const $ = (id) => document.getElementById(id);

/** Shows the state now and from now on; onFault gets what a user must know. Returns a promise of the first look. */
export function watchState(onFault) {
  setInterval(() => document.hidden || look().catch(onFault), LOOK_EVERY);
  return look();
}

let newest = null;

/** Megapixels a second that the server has measured for a model at a detail; null where it has not yet. */
export function speedOf(model, detail) {
  const found = (newest?.devices ?? []).flatMap((each) => Object.entries(each.megapixels_per_second))
    .filter(([name]) => name.startsWith(`${model}@`))
    .sort(([name]) => (name.split(/[@ ]/)[1] === String(detail) ? -1 : 1));
  return found[0]?.[1] || null;
}

async function look() {
  try {
    const [told, log] = await Promise.all([getJson("/v1/status"), getJson("/v1/log")]);
    newest = told;
    showLine(told);
    showTable(told);
    showLog(log.lines);
  } catch (fault) {
    $("server-line").textContent = "no answer";
    $("server-line").dataset.state = "gone";
    if (fault.status === 401) throw fault;
  }
}

const deviceNames = (told) => told.devices.map((each) => each.device).join(", ");

function showLine(told) {
  const many = told.queue.requests;
  const doing = many ? `enlarging ${many === 1 ? "a picture" : `${many} pictures`}` : "ready";
  $("server-line").textContent = `${deviceNames(told) ? doing : "loading its device"} · ${deviceNames(told) || "…"} · version ${told.version}`;
  $("server-line").dataset.state = many ? "busy" : "ready";
}

/** MODEL@DETAIL@CLEANUP in words. */
const chosen = (key) => key.replace(/@None/, "").replace("@", " at detail ").replace("@", ", clean-up ");

function showTable(told) {
  const loaded = told.devices.flatMap((each) => each.loaded.map((one) =>
    `${[one.model, one.detail, one.cleanup].filter((each) => each !== null).join("@")} (${one.dtype})`).map(chosen));
  const memory = told.devices.filter((each) => each.memory.total).map((each) =>
    `${bytes(each.memory.ours)} of ${bytes(each.memory.total)} on ${each.device}`);
  const engines = told.devices.flatMap((each) => Object.entries(each.engine?.running ?? {}).map(([key, engine]) => `${engine} for ${chosen(key)}`));
  const rows = {
    Device: deviceNames(told) || "loading",
    Loaded: loaded.join(", ") || "nothing until the first picture",
    Engine: engines.join(", ") || "torch",
    Memory: [`${bytes(told.memory.resident)} of main memory`, ...memory].join(", "),
    Queue: `${told.queue.requests} of ${told.queue.bound} pictures, ${told.queue.waiting} tiles waiting, ${told.queue.running} running`,
    Limit: `${told.limits.megapixels} megapixels, ${bytes(told.limits.file_bytes)} a file`,
    Running: `for ${duration(told.uptime_seconds)}, process ${told.pid}`,
  };
  $("status").replaceChildren(...Object.entries(rows).flatMap(([name, value]) => [element("dt", name), element("dd", value)]));
}

function showLog(lines) {
  const box = $("log");
  const atEnd = box.scrollTop + box.clientHeight >= box.scrollHeight - 4;
  box.textContent = lines.map(logLine).join("\n") || "Nothing yet.";
  if (atEnd) box.scrollTop = box.scrollHeight;
}

function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}
