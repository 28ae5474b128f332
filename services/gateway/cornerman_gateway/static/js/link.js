// A WebSocket that comes back by itself, with full-jitter backoff. Knows nothing of what travels on it.

import { api } from "./api.js";

const FIRST_MS = 300;
const LONGEST_MS = 5000;
const SILENT_MS = 4000;

/** Close codes from 4400 to 4499 are refusals: trying again would not help. */
const refused = (code) => code >= 4400 && code < 4500 && code !== 4429;

export class Link {
  /**
   * @param {() => string} url asked again for every connection, so that it can say where to resume
   * @param {{message: (data) => void, state?: (open: boolean, reason: string) => void, binary?: boolean}} handlers
   */
  constructor(url, handlers) {
    this.url = url;
    this.handlers = handlers;
    this.tries = 0;
    this.closed = false;
    this.wake = () => {
      if (!document.hidden && this.timer) {
        clearTimeout(this.timer);
        this.open();
      }
    };
    addEventListener("online", this.wake);
    document.addEventListener("visibilitychange", this.wake);
    this.open();
  }

  open() {
    this.timer = 0;
    if (this.closed) return;
    const socket = new WebSocket(this.url());
    this.socket = socket;
    if (this.handlers.binary) socket.binaryType = "arraybuffer";
    const slow = setTimeout(() => socket.close(), SILENT_MS);
    socket.addEventListener("open", () => {
      clearTimeout(slow);
      this.tries = 0;
      this.handlers.state?.(true, "");
    });
    socket.addEventListener("message", (event) => {
      if (this.socket === socket) this.handlers.message(event.data);
    });
    socket.addEventListener("close", (event) => {
      clearTimeout(slow);
      if (this.socket === socket) this.lost(event);
    });
  }

  lost(event) {
    if (this.closed) return;
    this.handlers.state?.(false, event.reason);
    if (refused(event.code)) return;
    if (event.code === 1006 && this.tries === 2)
      api("GET", "/api/session")
        .then((s) => s.admitted || location.reload())
        .catch(() => 0);
    const most = Math.min(LONGEST_MS, FIRST_MS * 2 ** this.tries);
    this.tries += 1;
    this.timer = setTimeout(() => this.open(), Math.random() * most + 50);
  }

  /** Begins anew at once, at whatever address `url` gives now. */
  reopen() {
    const old = this.socket;
    this.socket = null;
    old?.close();
    clearTimeout(this.timer);
    this.open();
  }

  send(data) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(data);
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    removeEventListener("online", this.wake);
    document.removeEventListener("visibilitychange", this.wake);
    this.socket?.close();
  }
}
