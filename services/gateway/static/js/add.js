// Adding a source: this camera, a file, an address, or a test pattern. Also the first thing seen when there is none yet.

import { api, upload } from "./api.js";
import { camera } from "./camera.js";
import { fill, h, icon } from "./dom.js";
import { bytes } from "./format.js";

const STEPS = [
  "You choose a video: a camera, a file, a network stream.",
  "Cornerman watches it in short overlapping chunks and decides after each one whether words would help.",
  "When they would, it says them here, in step with the picture. Silence is normal.",
];

export class AddView {
  constructor(page, first) {
    this.page = page;
    this.taken = new Set();
    this.profile = h("select", {});
    const head = first
      ? [h("h1", {}, "Nothing is being watched yet"), h("p", { class: "lead" }, "Cornerman watches live video and speaks only when it helps. It needs something to watch."), h("ol", { class: "steps" }, STEPS.map((step) => h("li", {}, step)))]
      : [h("h1", {}, "Add a source")];
    fill(page.main, h("div", { class: "page" }, head,
      h("label", { class: "field" }, h("span", {}, "What to watch for; it can be changed at any time"), this.profile),
      h("div", { class: "choices" }, this.camera(), this.file(), this.address(), this.pattern())));
    this.unlisten = page.onSources((sources) => { this.taken = new Set(sources.map((source) => source.source_id)); });
    this.load();
  }

  async load() {
    try {
      const { profiles } = await api("GET", "/api/profiles");
      this.profiles = profiles;
      fill(this.profile, profiles.map((profile) => h("option", { value: profile.name }, `${profile.title}: ${profile.about}`)));
    } catch (error) {
      this.page.tell(error.message);
    }
  }

  card(title, about, ...rest) {
    const wrong = h("p", { class: "wrong", role: "alert" });
    const card = h("section", { class: "card" }, h("h2", {}, title), h("p", { class: "quiet" }, about), rest, wrong);
    card.wrong = wrong;
    return card;
  }

  /** Adds the source and goes to it; what is wrong is said on the card. */
  async add(card, name, url, then = null) {
    const wanted = this.free(name);
    const profile = this.profiles?.find((item) => item.name === this.profile.value);
    const body = { source_id: wanted, url: typeof url === "function" ? url(wanted) : url };
    if (profile && profile.name !== "coach") Object.assign(body, { mode: profile.mode, say: { prompt: profile.prompt } });
    card.wrong.textContent = "";
    try {
      const source = await api("POST", "/api/sources", body);
      await then?.(source);
      location.hash = `#/s/${encodeURIComponent(source.source_id)}`;
    } catch (error) {
      card.wrong.textContent = error.errors?.length ? error.errors.map((item) => item.message).join("; ") : error.message;
    }
  }

  free(name) {
    const stem = name.normalize("NFKD").replace(/[^A-Za-z0-9._-]+/g, "-").replace(/^[^A-Za-z0-9]+/, "").slice(0, 48).replace(/-+$/, "") || "source";
    let id = stem;
    for (let n = 2; this.taken.has(id); n += 1) id = `${stem}-${n}`;
    return id;
  }

  camera() {
    const preview = h("video", { class: "preview", muted: true, playsinline: true, hidden: true, "aria-label": "Your camera" });
    const which = h("select", { hidden: true, "aria-label": "Camera", onchange: () => look(which.value) });
    const go = h("button", { type: "button", class: "primary" }, icon("camera"), "Use this camera");
    const card = this.card("This camera", "The picture goes from this browser to your server, nowhere else.", preview, which, go);
    const look = async (deviceId = "") => {
      card.wrong.textContent = "";
      try {
        this.stop();
        this.stream = await camera.open(deviceId);
      } catch (error) {
        card.wrong.textContent = error.message;
        return;
      }
      Object.assign(preview, { srcObject: this.stream, hidden: false });
      preview.play().catch(() => 0);
      const devices = await camera.list();
      fill(which, devices.map((device, i) => h("option", { value: device.deviceId }, device.label || `Camera ${i + 1}`)));
      which.value = this.stream.getVideoTracks()[0].getSettings().deviceId ?? "";
      which.hidden = devices.length < 2;
      go.replaceChildren(icon("camera"), "Start watching");
    };
    go.addEventListener("click", () => {
      if (!this.stream) { look(); return; }
      const { stream } = this;
      this.stream = null; // from here on the camera module has it
      this.add(card, "camera", (id) => `push://${id}`, (source) => camera.start(source.source_id, "", stream)).then(() => { if (!camera.stream) this.stream = stream; });
    });
    return card;
  }

  file() {
    const input = h("input", { type: "file", accept: "video/*,.mkv,.ts,.avi", "aria-label": "Video file" });
    const bar = h("progress", { max: "1", value: 0, hidden: true, "aria-label": "Upload" });
    const said = h("p", { class: "quiet small" });
    const loop = h("input", { type: "checkbox" });
    const go = h("button", { type: "button", class: "primary" }, "Upload and watch");
    const card = this.card("A video file", "MP4, MOV, WebM, MKV, AVI or TS. It is stored on your server and removed with the source.", input, bar, said, go);
    go.addEventListener("click", async () => {
      const [file] = input.files;
      if (!file) { card.wrong.textContent = "Choose a file first."; return; }
      card.wrong.textContent = "";
      bar.hidden = false;
      go.disabled = true;
      try {
        const done = await upload(file, (part) => { bar.value = part; said.textContent = `${bytes(file.size * part)} of ${bytes(file.size)}`; });
        await this.add(card, file.name.replace(/\.[^.]+$/, ""), done.url);
      } catch (error) {
        card.wrong.textContent = error.message;
      }
      bar.hidden = true;
      go.disabled = false;
    });
    return card;
  }

  address() {
    const url = h("input", { type: "text", inputmode: "url", autocomplete: "off", spellcheck: "false", placeholder: "rtsp://user:password@camera:554/stream", "aria-label": "Address" });
    const name = h("input", { type: "text", autocomplete: "off", placeholder: "front-door", maxlength: "64" });
    const go = h("button", { type: "submit", class: "primary" }, "Watch it");
    const form = h("form", { class: "settings", onsubmit: (event) => {
      event.preventDefault();
      const text = url.value.trim();
      if (!text) { card.wrong.textContent = "Give an address first."; return; }
      this.add(card, name.value.trim() || nameOf(text), text);
    } }, h("label", { class: "field" }, h("span", {}, "Address"), url), h("label", { class: "field" }, h("span", {}, "Name (optional)"), name), go);
    const card = this.card("An address", "RTSP, HTTP(S), HLS or MJPEG; a camera of the server (device:0); a file in one of its allowed folders. Passwords are kept from logs and pages.", form);
    return card;
  }

  pattern() {
    const go = h("button", { type: "button" }, "Show a test pattern");
    const card = this.card("No video at hand?", "A moving pattern made by the server: good for a first look at how everything fits together.", go);
    go.addEventListener("click", () => this.add(card, "pattern", "test://pattern?seconds=0"));
    return card;
  }

  stop() {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = null;
  }

  redraw() {}

  close() {
    this.unlisten();
    this.stop();
  }
}

function nameOf(address) {
  const plain = address.replace(/^[a-z]+:\/\//i, "").replace(/^[^@/]*@/, "");
  return (/\.[a-z0-9]{2,4}$/i.test(plain) && !plain.includes("://") ? plain.split("/").at(-1).replace(/\.[^.]+$/, "") : plain.split(/[/:?]/)[0]) || "source";
}
