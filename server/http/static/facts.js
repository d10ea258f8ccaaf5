// What there is to know of a model beside its controls: licence, author, where it is from, scale, size, speed.

import { bytes } from "./words.js";

const KINDS = { own: "ours", enlargement: "converted, enlarges", restoration: "converted, restores" };

/** Fills a list of terms with a model's facts, as `/v1/models` tells them; with nothing, where there is no model. */
export function showFacts(list, model) {
  if (!model) return list.replaceChildren();
  const rate = model.megapixels_per_second;
  const rows = {
    Licence: model.licence || "not told",
    Author: model.author || "not told",
    ...(model.link && { From: link(model.link) }),
    Kind: `${KINDS[model.kind] ?? model.kind}, ×${model.scale}, ${model.architecture}`,
    Size: bytes(model.bytes),
    Speed: rate ? `${rate.toPrecision(2)} megapixels a second here` : "known after its first picture",
    ...(model.description && { About: model.description }),
  };
  list.replaceChildren(...Object.entries(rows).flatMap(([name, value]) => [element("dt", name), element("dd", value)]));
}

/** Leads away from the page, and tells the other side nothing of it. */
function link(address) {
  const made = element("a", address.replace(/^https?:\/\//, ""));
  if (/^https?:\/\//.test(address)) made.href = address;
  made.rel = "noreferrer noopener";
  made.target = "_blank";
  return made;
}

function element(name, content) {
  const made = document.createElement(name);
  made.append(content);
  return made;
}
