// The picture of a source on a canvas. The server decides which picture is due; this draws it and reports which one.

import { socketUrl, sourcePath } from "./api.js";
import { Link } from "./link.js";

const decoder = new TextDecoder();

export class Picture {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {{
   *   delay?: string, fps?: number,
   *   onFrame?: (frame) => void, onLink?: (open: boolean, reason: string) => void,
   * }} options
   */
  constructor(canvas, sourceId, options = {}) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { alpha: false });
    this.options = options;
    this.frame = null; // what is shown: run, pts_s, at_s, delay_s, target_s, rate
    this.shown_at = -Infinity;
    this.drawn = 0;
    this.waiting = null;
    this.decoding = false;
    const fps = options.fps ? `&fps=${options.fps}` : "";
    this.link = new Link(() => socketUrl(sourcePath(sourceId, `/video.ws?delay=${options.delay ?? "auto"}${fps}`)), {
      binary: true,
      message: (data) => {
        this.waiting = data;
        this.pump();
      },
      state: (open, reason) => options.onLink?.(open, reason),
    });
  }

  /** Is the picture moving? Words wait for it only then. */
  get live() {
    return !document.hidden && performance.now() - this.shown_at < 1500;
  }

  async pump() {
    if (this.decoding) return; // the newest one is drawn when this is done; older ones are passed over
    this.decoding = true;
    while (this.waiting) {
      const data = this.waiting;
      this.waiting = null;
      const length = new DataView(data).getUint16(0, true);
      const frame = JSON.parse(decoder.decode(new Uint8Array(data, 2, length)));
      try {
        this.draw(await createImageBitmap(new Blob([new Uint8Array(data, 2 + length)], { type: "image/jpeg" })), frame);
      } catch (error) {
        console.warn("a picture could not be decoded", error.message);
      }
    }
    this.decoding = false;
  }

  draw(bitmap, frame) {
    const { canvas } = this;
    if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
      Object.assign(canvas, { width: bitmap.width, height: bitmap.height });
    }
    this.context.drawImage(bitmap, 0, 0);
    bitmap.close();
    this.frame = frame;
    this.shown_at = performance.now();
    this.drawn += 1;
    this.options.onFrame?.(frame);
  }

  /** A small JPEG of what is shown, as an object URL. */
  async thumb(width = 480) {
    if (!this.frame) return "";
    const small = document.createElement("canvas");
    const scale = Math.min(1, width / this.canvas.width);
    Object.assign(small, {
      width: Math.round(this.canvas.width * scale),
      height: Math.round(this.canvas.height * scale),
    });
    small.getContext("2d").drawImage(this.canvas, 0, 0, small.width, small.height);
    const blob = await new Promise((done) => {
      small.toBlob(done, "image/jpeg", 0.8);
    });
    return blob ? URL.createObjectURL(blob) : "";
  }

  close() {
    this.link.close();
  }
}
