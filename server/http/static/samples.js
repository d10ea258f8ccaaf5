// Pixels of an image element, and the squares by which its clean-up is judged: those of server/client/sampling.py.

const [SIDE, GRID, SPACING, MOST_ALONG] = [64, 8, 96, 8];

/** Returns the pixels of a part {x, y, width, height}, RGBA, 8 bits. */
export function pixelsOf(image, { x, y, width, height }) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, x, y, width, height, 0, 0, width, height);
  return context.getImageData(0, 0, width, height).data;
}

/** Returns the pixels of all squares, one after the other. */
export function samplesOf(image) {
  const [width, height] = [Math.min(SIDE, image.naturalWidth), Math.min(SIDE, image.naturalHeight)];
  const squares = starts(image.naturalHeight, height).flatMap((y) =>
    starts(image.naturalWidth, width).map((x) => pixelsOf(image, { x, y, width, height })));
  return new Blob(squares);
}

function starts(extent, side) {
  const count = Math.min(MOST_ALONG, Math.floor(extent / SPACING));
  const places = count > 1 ? Array.from({ length: count }, (_, index) => (index * (extent - side)) / (count - 1)) : [(extent - side) / 2];
  return places.map((place) => Math.floor(place / GRID) * GRID);
}
