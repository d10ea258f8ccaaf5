// How large the result is to be: a factor, or pixels of the photo's own shape. Knows the fields of the size, no server.

import { pixels } from "./words.js";

const $ = (id) => document.getElementById(id);
const MOST_FACTOR = 8;
const SIDES = ["width", "height"];

/** Halves up, as the server rounds. */
const rounded = (value) => Math.floor(value + 0.5);

export class SizeControl {
  #photo = null; // {width, height} in pixels; null where this browser cannot show it
  #side = "width"; // the one that was typed; the other follows

  /** onChange is called whenever another size is set. */
  constructor(onChange) {
    $("size").addEventListener("change", ({ target }) => {
      if (target.type === "radio") this.#choose();
      onChange();
    });
    for (const side of SIDES) {
      $(side).addEventListener("input", () => {
        this.#side = side;
        this.#follow();
        onChange();
      });
    }
  }

  /** Takes the size of another photo, or null; a width or height that was typed for the last one stays. */
  set photo(size) {
    this.#photo = size;
    for (const side of SIDES) {
      $(side).min = size?.[side] ?? 1;
      $(side).max = size ? MOST_FACTOR * size[side] : "";
    }
    this.#choose();
  }

  /** The result's width and height; null where the photo's are not known, or what was typed cannot be. */
  get result() {
    if (!this.#photo || !$("width").validity.valid || !$("height").validity.valid) return null;
    const factor = this.#factor ?? Number($(this.#side).value) / this.#photo[this.#side];
    return { width: rounded(factor * this.#photo.width), height: rounded(factor * this.#photo.height) };
  }

  /** The parameters of the file route. */
  get query() {
    return this.#factor ? { scale: this.#factor } : { [`out_${this.#side}`]: $(this.#side).value };
  }

  /** What a file of this result is named after: x3, or 4000x3000. */
  label({ width, height }) {
    return this.#factor ? `x${this.#factor}` : `${width}x${height}`;
  }

  /** What follows "Enlarge" on the button. */
  get words() {
    if (this.#factor) return `×${this.#factor}`;
    return this.result ? `to ${pixels(this.result)}` : "";
  }

  /** How many pixels are computed for one of the photo: the network enlarges ×2, as often as it takes. */
  get work() {
    const { width, height } = this.result;
    let [times, sum] = [0, 0];
    do sum += 4 ** times++;
    while (this.#photo.width * 2 ** times < width || this.#photo.height * 2 ** times < height);
    return sum;
  }

  /** The factor that is chosen; null where pixels are. */
  get #factor() {
    return Number($("size").querySelector(":checked").value) || null;
  }

  #choose() {
    const isPixels = !this.#factor;
    $("sides").hidden = !isPixels;
    for (const side of SIDES) $(side).disabled = !isPixels; // what is hidden is not to keep the form from being sent
    if (isPixels && this.#photo && !$(this.#side).value) $(this.#side).value = 2 * this.#photo[this.#side];
    if (isPixels) this.#follow();
  }

  /** The chain between the two is closed. */
  #follow() {
    const other = SIDES.find((side) => side !== this.#side);
    const value = Number($(this.#side).value);
    $(other).value = value && this.#photo ? rounded((value * this.#photo[other]) / this.#photo[this.#side]) : "";
    $(other).required = false;
    $(this.#side).required = true;
  }
}
