// Numbers and names as a reader wants them. Knows no element and no server.

export function bytes(count) {
  if (count === null || count === undefined) return "?";
  const steps = ["B", "KiB", "MiB", "GiB", "TiB"];
  const power = Math.min(steps.length - 1, Math.floor(Math.log2(Math.max(1, count)) / 10));
  return `${(count / 1024 ** power).toFixed(power ? 1 : 0)} ${steps[power]}`;
}

export function duration(seconds) {
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  return hours ? `${hours} h ${minutes} min` : minutes ? `${minutes} min` : `${Math.floor(seconds)} s`;
}

/** A time that is only guessed: coarser the longer it is. */
export function roughly(seconds) {
  if (seconds < 1) return "less than a second";
  if (seconds < 90) return `about ${Math.ceil(seconds)} s`;
  return `about ${Math.round(seconds / 60)} min`;
}

export const pixels = ({ width, height }) => `${width} × ${height}`;

/** photo.JPG → photo-x2.JPG, where x2 is the label; another ending where the result has another format. */
export function resultName(name, label, type) {
  const ending = { "image/png": ".png", "image/jpeg": ".jpg", "image/tiff": ".tif", "image/webp": ".webp", "image/avif": ".avif", "image/jxl": ".jxl" }[type] ?? "";
  const [, stem, old] = /^(.*?)(\.[^.]*)?$/.exec(name || "picture");
  const same = ending === old?.toLowerCase() || { ".jpg": ".jpeg", ".tif": ".tiff" }[ending] === old?.toLowerCase();
  return `${stem}-${label}${same ? old : ending}`;
}

/** One line of the log, which is JSON, without what only a program wants. */
export function logLine({ time, level, message, ...rest }) {
  const told = Object.entries(rest).filter(([name]) => name !== "traceback").map(([name, value]) => `${name}=${value}`);
  return `${time.slice(11, 19)} ${level} ${message} ${told.join(" ")}`;
}
