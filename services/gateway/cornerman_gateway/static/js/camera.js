// This browser's camera as a source. Pictures go out over a WebSocket, at most a few unanswered: a slow line lowers the
// rate and never builds a queue. It goes on while the views change, until it is stopped or the page is closed.

import { sourcePath, socketUrl } from "./api.js";
import { Link } from "./link.js";

const WIDTH = 960;
const QUALITY = 0.8;
const MOST_UNANSWERED = 3;
const MOST_FPS = 30;

const REMEDIES = {
  NotAllowedError: "This page may not use the camera. Allow it in the address bar (the camera sign), then try again.",
  NotFoundError: "No camera was found. Plug one in, or open this page on a phone.",
  NotReadableError: "Another program uses the camera. Close it, then try again.",
  OverconstrainedError: "That camera is no longer there. Choose another.",
  SecurityError: "The browser forbids cameras here. Allow them in its settings.",
};

class Camera extends EventTarget {
  constructor() {
    super();
    this.sourceId = "";
    this.sent = 0;
  }

  pushes(sourceId) {
    return Boolean(this.stream) && this.sourceId === sourceId;
  }

  /** Cameras there are; their names are known only after permission was given. */
  async list() {
    const devices = (await navigator.mediaDevices?.enumerateDevices?.()) ?? [];
    return devices.filter((device) => device.kind === "videoinput");
  }

  /** Opens a camera. Throws an Error that says what to do. */
  async open(deviceId = "") {
    if (!navigator.mediaDevices?.getUserMedia) {
      throw new Error(
        "Browsers give cameras to secure pages only: open http://localhost here, or start the server with " +
          "--set gateway.tls_cert=self-signed and open its https address.",
      );
    }
    const wanted = deviceId ? { deviceId: { exact: deviceId } } : { facingMode: "user" };
    try {
      return await navigator.mediaDevices.getUserMedia({
        audio: false,
        video: { ...wanted, width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } },
      });
    } catch (error) {
      const text = REMEDIES[error.name] ?? `The camera could not be opened (${error.name}: ${error.message}).`;
      throw new Error(text, { cause: error });
    }
  }

  /** Pushes a camera to a source that exists, whose url is push://<sourceId>. */
  async start(sourceId, deviceId = "", stream = null) {
    if (this.stream) this.stop(this.sourceId);
    this.stream = stream ?? (await this.open(deviceId));
    this.sourceId = sourceId;
    this.video = Object.assign(document.createElement("video"), {
      muted: true,
      playsInline: true,
      srcObject: this.stream,
    });
    this.canvas = document.createElement("canvas");
    this.began = performance.now();
    this.last = 0;
    this.unanswered = 0;
    await this.video.play();
    this.link = new Link(() => socketUrl(sourcePath(sourceId, "/camera.ws")), {
      message: () => {
        this.unanswered = Math.max(0, this.unanswered - 1);
      },
      state: (open, reason) => {
        this.unanswered = 0;
        this.open_ = open;
        this.reason = reason;
        this.changed();
      },
    });
    this.stream.getVideoTracks()[0].addEventListener("ended", () => this.stop(sourceId));
    this.timer = setInterval(() => this.grab(), 1000 / MOST_FPS);
    this.lock = await navigator.wakeLock?.request("screen").catch(() => null);
    this.changed();
  }

  grab() {
    const { video, canvas } = this;
    if (
      !this.open_ ||
      this.busy ||
      this.unanswered >= MOST_UNANSWERED ||
      !video.videoWidth ||
      video.currentTime === this.last
    )
      return;
    this.last = video.currentTime;
    const scale = Math.min(1, WIDTH / video.videoWidth);
    const [width, height] = [Math.round(video.videoWidth * scale), Math.round(video.videoHeight * scale)];
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    canvas.getContext("2d", { alpha: false }).drawImage(video, 0, 0, width, height);
    const pts = (performance.now() - this.began) / 1000;
    this.busy = true;
    canvas.toBlob(
      async (blob) => {
        if (blob && this.link) {
          const head = new DataView(new ArrayBuffer(8));
          head.setFloat64(0, pts, true);
          this.unanswered += 1;
          this.sent += 1;
          this.link.send(await new Blob([head, blob]).arrayBuffer());
        }
        this.busy = false;
      },
      "image/jpeg",
      QUALITY,
    );
  }

  stop(sourceId) {
    if (!this.stream || this.sourceId !== sourceId) return;
    clearInterval(this.timer);
    for (const track of this.stream.getTracks()) track.stop();
    this.link?.close();
    this.lock?.release();
    this.stream = null;
    this.link = null;
    this.sourceId = "";
    this.busy = false;
    this.open_ = false;
    this.changed();
  }

  changed() {
    this.dispatchEvent(new Event("change"));
  }
}

export const camera = new Camera();
