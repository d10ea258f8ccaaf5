// Compares two pictures of the same scene: one above the other, a divider between them, zoom and moving.
// Zoom counts screen pixels to one pixel of the result: at 1 the result is shown pixel by pixel.

const MOST = 8;
const MOST_FITTED = 3; // a small picture is not blown up to fill the box
const STEP = 40; // CSS pixels that an arrow key moves the picture
const ENDS = ["pointerup", "pointercancel"]; // of a drag

export class Viewer {
  constructor(root) {
    this.box = root.querySelector("#viewer");
    this.after = root.querySelector("#after");
    this.before = root.querySelector("#before");
    this.clip = root.querySelector("#before-clip");
    this.divider = root.querySelector("#divider");
    this.split = root.querySelector("#split");
    this.text = root.querySelector("#zoom-text");
    this.buttons = [...root.querySelectorAll("[data-zoom]")];
    this.zoom = 1;
    this.fitted = true;
    this.x = this.y = 0;
    this.fingers = new Map(); // pointer → where it is, in CSS pixels of the window
    this.#listen();
  }

  /** Shows two image addresses; resolves to false when the browser cannot show one of them. */
  async show(before, after) {
    this.before.src = before;
    this.after.src = after;
    try {
      await Promise.all([this.before.decode(), this.after.decode()]);
    } catch {
      return false;
    }
    this.box.style.setProperty("--aspect", `${this.after.naturalWidth} / ${this.after.naturalHeight}`);
    this.fit();
    return true;
  }

  fit() {
    this.fitted = true;
    const room = Math.min(this.box.clientWidth / this.after.naturalWidth, this.box.clientHeight / this.after.naturalHeight);
    this.zoom = Math.min(MOST_FITTED, room * ratio());
    this.x = this.y = 0;
    this.#draw();
  }

  /** Sets the zoom, keeping the point (x, y) of the box where it is; its centre when none is given. */
  zoomTo(zoom, x = this.box.clientWidth / 2, y = this.box.clientHeight / 2) {
    const least = Math.min(0.05, this.zoom);
    const wanted = Math.min(MOST, Math.max(least, zoom));
    this.x = x - ((x - this.x) * wanted) / this.zoom;
    this.y = y - ((y - this.y) * wanted) / this.zoom;
    this.zoom = wanted;
    this.fitted = false;
    this.#draw();
  }

  move(x, y) {
    this.x += x;
    this.y += y;
    this.#draw();
  }

  #draw() {
    const scale = this.zoom / ratio();
    const width = this.after.naturalWidth * scale;
    const height = this.after.naturalHeight * scale;
    this.x = placed(this.x, width, this.box.clientWidth);
    this.y = placed(this.y, height, this.box.clientHeight);
    for (const image of [this.after, this.before]) {
      image.style.width = `${width}px`;
      image.style.height = `${height}px`;
      image.style.transform = `translate(${this.x}px, ${this.y}px)`;
    }
    const at = Number(this.split.value);
    this.clip.style.clipPath = `inset(0 ${100 - at}% 0 0)`;
    this.divider.style.left = `${at}%`;
    this.box.classList.toggle("whole", width <= this.box.clientWidth && height <= this.box.clientHeight);
    this.split.setAttribute("aria-valuetext", `divider at ${at} %`);
    this.text.value = `${Math.round(this.zoom * 100)} %`;
    for (const button of this.buttons) {
      const pressed = button.dataset.zoom === "fit" ? this.fitted : !this.fitted && Number(button.dataset.zoom) === this.zoom;
      button.setAttribute("aria-pressed", String(pressed));
    }
  }

  #listen() {
    this.split.addEventListener("input", () => this.#draw());
    for (const button of this.buttons) {
      button.addEventListener("click", () =>
        button.dataset.zoom === "fit" ? this.fit() : this.zoomTo(Number(button.dataset.zoom)));
    }
    this.box.addEventListener("keydown", (event) => this.#key(event));
    this.box.addEventListener("wheel", (event) => {
      event.preventDefault();
      const at = this.box.getBoundingClientRect();
      this.zoomTo(this.zoom * 1.15 ** -Math.sign(event.deltaY), event.clientX - at.left, event.clientY - at.top);
    }, { passive: false });
    this.box.addEventListener("pointerdown", (event) => this.#drag(event));
    new ResizeObserver(() => (this.fitted ? this.fit() : this.#draw())).observe(this.box);
  }

  #key(event) {
    const does = {
      ArrowLeft: () => this.move(STEP, 0), ArrowRight: () => this.move(-STEP, 0),
      ArrowUp: () => this.move(0, STEP), ArrowDown: () => this.move(0, -STEP),
      "+": () => this.zoomTo(this.zoom * 1.5), "-": () => this.zoomTo(this.zoom / 1.5),
      0: () => this.fit(), 1: () => this.zoomTo(1), 2: () => this.zoomTo(2), 3: () => this.zoomTo(3),
    }[event.key];
    if (!does || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    does();
  }

  /** One pointer moves the divider or the picture; a second one makes it a pinch. */
  #drag(start) {
    const at = this.box.getBoundingClientRect();
    const nearDivider = Math.abs(start.clientX - at.left - (at.width * this.split.value) / 100) < 20;
    this.fingers.set(start.pointerId, { x: start.clientX, y: start.clientY });
    this.box.setPointerCapture(start.pointerId);
    const moved = (event) => {
      if (event.pointerId !== start.pointerId) return;
      const before = this.fingers.get(start.pointerId);
      const now = { x: event.clientX, y: event.clientY };
      const other = [...this.fingers].find(([id]) => id !== start.pointerId)?.[1];
      this.fingers.set(start.pointerId, now);
      if (other) {
        const [x, y] = [(now.x + other.x) / 2 - at.left, (now.y + other.y) / 2 - at.top];
        this.zoomTo((this.zoom * distance(now, other)) / (distance(before, other) || 1), x, y);
      } else if (nearDivider) {
        this.split.value = ((event.clientX - at.left) / at.width) * 100;
        this.#draw();
      } else {
        this.move(now.x - before.x, now.y - before.y);
      }
    };
    const ended = (event) => {
      if (event.pointerId !== start.pointerId) return;
      this.fingers.delete(start.pointerId);
      this.box.removeEventListener("pointermove", moved);
      for (const kind of ENDS) this.box.removeEventListener(kind, ended);
    };
    this.box.addEventListener("pointermove", moved);
    for (const kind of ENDS) this.box.addEventListener(kind, ended);
  }
}

const distance = (a, b) => Math.hypot(a.x - b.x, a.y - b.y);
const ratio = () => window.devicePixelRatio || 1;

/** Keeps a picture in its box: centred where it is smaller, without a gap at its edges where it is larger. */
function placed(offset, size, room) {
  return size <= room ? (room - size) / 2 : Math.min(0, Math.max(room - size, offset));
}
