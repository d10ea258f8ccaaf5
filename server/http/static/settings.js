// Model, detail and clean-up: fills the form's fields from what the server has, and says what each means.

import { getJson } from "./api.js";
import { showFacts } from "./facts.js";

const $ = (id) => document.getElementById(id);

export class Settings {
  #models = {};
  #locked = false;

  /** onChange is called whenever another model, detail or clean-up is set. */
  constructor(onChange) {
    this.onChange = onChange;
    $("model").addEventListener("change", () => this.#pick());
    $("detail").addEventListener("input", () => this.#showDetail());
    $("cleanup").addEventListener("input", () => {
      $("cleanup-automatic").checked = false;
      this.#showCleanup();
    });
    $("cleanup-automatic").addEventListener("change", () => this.#showCleanup());
  }

  get usable() {
    return Object.keys(this.#models).length > 0;
  }

  /** The models as the server tells them; without the single files of a family, which are the ends of its controls. */
  get offered() {
    const all = Object.values(this.#models);
    const parts = new Set(all.filter(({ files }) => files.length > 1).flatMap(({ files }) => files));
    return all.filter(({ name }) => !parts.has(`${name}.safetensors`));
  }

  get model() {
    return $("model").value;
  }

  /** The detail to ask for; null where the model is a single file, which takes none. */
  get detail() {
    return this.#models[this.model]?.detail ? $("detail").value : null;
  }

  /** The clean-up to ask for; null where the server is to estimate it, or the model has none. */
  get cleanup() {
    return this.#models[this.model]?.cleanup && !$("cleanup-automatic").checked ? $("cleanup").value : null;
  }

  /** Asks the server for its models; returns a sentence for each that cannot be used, or where there is none. */
  async load() {
    const told = await getJson("/v1/models");
    this.#models = Object.fromEntries(told.models.filter((each) => each.usable).map((each) => [each.name, each]));
    $("model").replaceChildren(...Object.values(this.#models).map((each) => {
      const isDefault = each.name === told.default;
      return new Option(isDefault ? `${each.name} (default)` : each.name, each.name, isDefault, isDefault);
    }));
    this.#pick();
    if (!told.models.length) return ["The server has no model; put a .safetensors file into its weights folder."];
    return told.broken.map((each) => `The model ${each.name} cannot be used: ${each.message}`);
  }

  /** While a picture is enlarged, nothing can be changed. */
  lock(is) {
    this.#locked = is;
    $("model").disabled = is;
    $("detail").disabled = is || !this.#span?.highest;
    for (const id of ["cleanup", "cleanup-automatic"]) $(id).disabled = is;
  }

  get #span() {
    return this.#models[this.model]?.detail;
  }

  #pick() {
    const model = this.#models[this.model];
    const { generator, bicubic } = model?.metrics?.B100 ?? {};
    const gain = generator && bicubic ? ` ${(generator - bicubic).toFixed(1)} dB closer to the original than bicubic on B100.` : "";
    const which = this.#span?.highest ? "At detail 0: " : ""; // a pair's title and figures are its faithful half's
    $("model-help").textContent = model ? `${which}${model.title || model.name}.${gain}` : "";
    showFacts($("facts"), model);
    $("detail").value = this.#span?.default ?? 0;
    $("detail-help").textContent = this.#span?.highest
      ? "Faithful adds nothing that the photo does not hold; detailed draws texture that is likely."
      : "This model is faithful: it adds nothing that the photo does not hold.";
    $("cleanup-field").hidden = !model?.cleanup;
    this.lock(this.#locked);
    this.#showDetail();
    this.#showCleanup();
  }

  #showDetail() {
    const text = this.#span?.highest ? Number($("detail").value).toFixed(2) : "faithful only";
    $("detail-text").value = text;
    $("detail").setAttribute("aria-valuetext", text);
    this.onChange();
  }

  #showCleanup() {
    const text = $("cleanup-automatic").checked ? "automatic" : Number($("cleanup").value).toFixed(2);
    $("cleanup-text").value = text;
    $("cleanup").setAttribute("aria-valuetext", text);
    this.onChange();
  }
}
