// Compares models: one part of the photo, enlarged by each that is chosen, beside each other with their times.

import { post } from "./api.js";
import { pixelsOf, samplesOf } from "./samples.js";

const PART = { width: 176, height: 132 }; // pixels of the photo
const AROUND = 64; // pixels about it that are sent too, where the model's halo is smaller
const WARM_UP = 48; // side of what is sent first: loading a model is no part of its time
const MAP_WIDTH = 480; // pixels of the small picture
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const $ = (id) => document.getElementById(id);

export class Comparison {
  #settings;
  #image = null;
  #centre = { x: 0, y: 0 };
  #stop = null; // an AbortController while models run

  constructor(settings) {
    this.#settings = settings;
    $("compare-map").addEventListener("pointerdown", (event) => this.#point(event));
    $("compare-map").addEventListener("keydown", (event) => this.#move(event));
    $("compare-models").addEventListener("change", () => this.#show());
    $("compare-start").addEventListener("click", () => (this.#stop ? this.#stop.abort() : this.#run()));
    for (const button of $("compare-zooms").querySelectorAll("button")) {
      button.addEventListener("click", () => this.#zoom(button));
    }
  }

  /** Offers a photo, an image element that is loaded; null takes the offer back. */
  offer(image) {
    this.#stop?.abort();
    this.#stop = null;
    this.#image = image;
    $("comparison").hidden = !image;
    $("compare-results").replaceChildren();
    $("compare-zooms").hidden = true;
    $("compare-said").textContent = "";
    if (!image) return;
    this.#centre = { x: image.naturalWidth / 2, y: image.naturalHeight / 2 };
    this.#list();
    this.#show();
  }

  #list() {
    const checked = new Set(this.#chosen());
    $("compare-models").querySelectorAll("label").forEach((each) => each.remove());
    this.#settings.offered.forEach(({ name }, index) => {
      const [label, box] = [document.createElement("label"), document.createElement("input")];
      Object.assign(box, { type: "checkbox", value: name, checked: checked.size ? checked.has(name) : index < 2 });
      label.append(box, ` ${name}`);
      $("compare-models").append(label);
    });
  }

  #chosen() {
    return [...$("compare-models").querySelectorAll("input:checked")].map((each) => each.value);
  }

  get #part() {
    return about(this.#centre, PART, this.#image);
  }

  #point(event) {
    const at = $("compare-map").getBoundingClientRect();
    this.#centre = {
      x: ((event.clientX - at.left) / at.width) * this.#image.naturalWidth,
      y: ((event.clientY - at.top) / at.height) * this.#image.naturalHeight,
    };
    this.#show();
  }

  #move(event) {
    const step = STEPS[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const part = this.#part;
    this.#centre = {
      x: part.x + part.width * (0.5 + step[0] / 2),
      y: part.y + part.height * (0.5 + step[1] / 2),
    };
    this.#show();
  }

  /** Draws the small picture with the part marked on it. */
  #show() {
    $("compare-start").disabled = !this.#stop && !this.#chosen().length;
    $("compare-start").textContent = this.#stop ? "Stop" : "Compare";
    const [image, map, part] = [this.#image, $("compare-map"), this.#part];
    const scale = MAP_WIDTH / image.naturalWidth;
    Object.assign(map, { width: MAP_WIDTH, height: Math.max(1, Math.round(image.naturalHeight * scale)) });
    const context = map.getContext("2d");
    context.drawImage(image, 0, 0, map.width, map.height);
    for (const [colour, width] of [["#000", 5], ["#fff", 2.5]]) {
      Object.assign(context, { strokeStyle: colour, lineWidth: width });
      context.strokeRect(part.x * scale, part.y * scale, part.width * scale, part.height * scale);
    }
  }

  async #run() {
    const [image, part] = [this.#image, this.#part];
    const models = this.#settings.offered.filter(({ name }) => this.#chosen().includes(name));
    const stop = (this.#stop = new AbortController());
    this.#show();
    $("compare-results").replaceChildren(byBrowser(image, part));
    $("compare-zooms").hidden = false;
    this.#zoom($("compare-zooms").querySelector("button"));
    for (const [index, model] of models.entries()) {
      $("compare-said").textContent = `${index + 1} of ${models.length}: ${model.name}…`;
      const found = await byModel(image, part, model, stop.signal).catch((fault) => fault);
      if (stop.signal.aborted) break;
      $("compare-results").append(found instanceof Error ? figure(null, `${model.name}: ${found.message}`) : found);
    }
    if (this.#stop !== stop) return; // another photo was chosen meanwhile
    this.#stop = null;
    $("compare-said").textContent = stop.signal.aborted ? "Stopped." : "Times are those of this part alone.";
    this.#show();
  }

  #zoom(chosen) {
    for (const each of $("compare-zooms").querySelectorAll("button")) each.setAttribute("aria-pressed", String(each === chosen));
    $("compare-results").dataset.zoom = chosen.dataset.zoom;
  }
}

/** A part of a size about a point, pushed inside the picture. */
function about(centre, size, image) {
  const [width, height] = [Math.min(size.width, image.naturalWidth), Math.min(size.height, image.naturalHeight)];
  const within = (place, side, room) => Math.min(Math.max(0, Math.round(place - side / 2)), room - side);
  return { x: within(centre.x, width, image.naturalWidth), y: within(centre.y, height, image.naturalHeight), width, height };
}

function byBrowser(image, { x, y, width, height }) {
  const canvas = blank(width, height);
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(image, x, y, width, height, 0, 0, canvas.width, canvas.height);
  return figure(canvas, "this browser's own scaling");
}

async function byModel(image, part, model, signal) {
  const cleanup = model.cleanup ? await estimated(image, model, signal) : null;
  const ask = async (around) => {
    const query = { ...picture(around), model: model.name, ...(cleanup !== null && { cleanup }) };
    const answer = await post("/v1/upscale", query, pixelsOf(image, around), signal);
    return [answer.headers.get("X-Detail"), new Uint8ClampedArray(await answer.arrayBuffer())];
  };
  await ask({ ...part, width: Math.min(WARM_UP, part.width), height: Math.min(WARM_UP, part.height) });
  const around = grown(part, Math.max(AROUND, model.halo), image);
  const begun = performance.now();
  const [detail, pixels] = await ask(around);
  const seconds = (performance.now() - begun) / 1000;
  const canvas = blank(part.width, part.height);
  const enlarged = new ImageData(pixels, 2 * around.width, 2 * around.height);
  canvas.getContext("2d").putImageData(enlarged, 2 * (around.x - part.x), 2 * (around.y - part.y));
  const told = [model.name, detail && `detail ${detail}`, cleanup !== null && `clean-up ${cleanup}`, `${seconds.toFixed(2)} s`];
  return figure(canvas, told.filter(Boolean).join(", "));
}

/** The clean-up that the whole photo would get: a part alone may look otherwise. */
async function estimated(image, model, signal) {
  const whole = { width: image.naturalWidth, height: image.naturalHeight };
  const answer = await post("/v1/cleanup", { ...picture(whole), model: model.name }, samplesOf(image), signal);
  return (await answer.json()).cleanup;
}

const picture = ({ width, height }) => ({ width, height, layout: "RGBA", depth: "u8" });

function grown(part, pixels, image) {
  const [left, top] = [Math.max(0, part.x - pixels), Math.max(0, part.y - pixels)];
  const right = Math.min(image.naturalWidth, part.x + part.width + pixels);
  const bottom = Math.min(image.naturalHeight, part.y + part.height + pixels);
  return { x: left, y: top, width: right - left, height: bottom - top };
}

function blank(width, height) {
  return Object.assign(document.createElement("canvas"), { width: 2 * width, height: 2 * height });
}

function figure(canvas, text) {
  const [made, box, caption] = ["figure", "div", "figcaption"].map((name) => document.createElement(name));
  caption.textContent = text;
  if (canvas) {
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", text);
    box.style.width = `${canvas.width / (window.devicePixelRatio || 1)}px`;
    box.append(canvas);
    made.append(box);
  }
  made.append(caption);
  return made;
}
