// Reads lines aloud with the browser's own speech. Never speaks over itself; a line that waited too long is dropped.

const STALE_MS = 6000;
const KEY = "cornerman.voice";

export class Voice {
  constructor(synthesis = window.speechSynthesis) {
    this.synthesis = synthesis;
    this.next = null;
    this.speaking = false;
    this.dropped = 0;
    try {
      this.on = localStorage.getItem(KEY) === "on";
    } catch {
      this.on = false; // storage is forbidden here: silent until asked
    }
  }

  get possible() {
    return Boolean(this.synthesis && window.SpeechSynthesisUtterance);
  }

  toggle() {
    this.on = !this.on;
    try {
      localStorage.setItem(KEY, this.on ? "on" : "off");
    } catch {
      this.next = null; // not kept for next time
    }
    if (!this.on) this.hush();
    return this.on;
  }

  hush() {
    this.next = null;
    this.speaking = false;
    this.synthesis?.cancel();
  }

  /** Says a line when nothing is being said. One line waits; a correction is not pushed out by praise. */
  say(saying) {
    if (!this.on || !this.possible || !saying.text || saying.kind === "failed") return;
    const line = { text: saying.text, kind: saying.kind, at: performance.now() };
    if (this.next) {
      this.dropped += 1;
      if (this.next.kind === "correction" && line.kind === "praise" && !this.stale(this.next)) return;
    }
    this.next = line;
    if (!this.speaking) this.speak();
  }

  stale(line) {
    return performance.now() - line.at > STALE_MS;
  }

  speak() {
    const line = this.next;
    this.next = null;
    if (!line || !this.on) return;
    if (this.stale(line)) {
      this.dropped += 1;
      return;
    }
    const words = new SpeechSynthesisUtterance(line.text);
    words.lang = document.documentElement.lang;
    words.rate = 1.05;
    this.speaking = true;
    const done = () => {
      this.speaking = false;
      this.speak();
    };
    words.addEventListener("end", done, { once: true });
    words.addEventListener("error", done, { once: true });
    this.synthesis.speak(words);
  }
}
