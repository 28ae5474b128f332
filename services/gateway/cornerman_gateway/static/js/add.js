// Adding a source: this camera, a file, an address or a test pattern. The first view when there is no source yet.

import { api, upload } from "./api.js";
import { camera } from "./camera.js";
import { fill, h, icon } from "./dom.js";
import { bytes } from "./format.js";
import { phoneWay } from "./phone.js";
import { GET_SKELETONS } from "./teach_text.js";

const CUSTOM = {
  name: "custom",
  title: "Custom",
  about: "In your own words; left empty, it coaches.",
  mode: "commentary",
  prompt: "",
};

const BUNDLED = ["", "the bundled coach"];

const STEPS = [
  "You choose a video: a camera, a file, a network stream.",
  "Cornerman watches it, and decides twice a second whether words would help.",
  "When they would, it says them here, in step with the picture. Silence is normal.",
];

export class AddView {
  /** @param {string} wanted `camera` opens the camera at once */
  constructor(page, first, wanted = "") {
    this.page = page;
    this.taken = new Set();
    this.chosen = "coach";
    const head = first
      ? [
          h("h1", {}, "Nothing is being watched yet"),
          h(
            "p",
            { class: "lead" },
            "Cornerman watches live video and speaks only when it helps. Give it something to watch.",
          ),
          h(
            "ol",
            { class: "steps" },
            STEPS.map((step) => h("li", {}, step)),
          ),
        ]
      : [h("h1", {}, "Add a source")];
    this.chips = h("div", { class: "chips" });
    this.about = h("p", { class: "quiet small", role: "status" });
    this.why = h("p", { class: "quiet small", role: "note" });
    this.drawings = h("p", { class: "note", role: "note", hidden: true });
    this.prompt = h("textarea", {
      rows: "3",
      maxlength: "4000",
      placeholder: "Say when somebody comes in, and what they carry.",
      "aria-label": "Your own prompt",
      hidden: true,
    });
    fill(
      page.main,
      h(
        "div",
        { class: "page" },
        head,
        h(
          "fieldset",
          { class: "profiles" },
          h("legend", {}, "What to watch for; it can be changed at any time"),
          this.chips,
          this.about,
          this.why,
          this.prompt,
        ),
        this.drawings,
        h("div", { class: "choices" }, this.camera(), this.phone(), this.file(), this.address(), this.pattern()),
      ),
    );
    this.unlisten = page.onSources((sources) => {
      this.taken = new Set(sources.map((source) => source.source_id));
    });
    this.load();
    if (wanted === "camera") this.useCamera.click();
  }

  async load() {
    try {
      const [{ profiles }, models] = await Promise.all([api("GET", "/api/profiles"), api("GET", "/api/models")]);
      // A prompt of one's own is refused for the reason that the other prompts are.
      const refused = models.abilities.follows_prompts
        ? ""
        : (profiles.find((one) => one.name === "default")?.refused ?? "");
      this.profiles = [...profiles, { ...CUSTOM, refused }];
      this.why.textContent = refused;
      // The bundled coach that reads pictures has seen drawings only; the one on skeletons sees people.
      this.drawings.hidden = models.encoder.backend !== "mobile_videogpt" || !BUNDLED.includes(models.encoder.model);
      this.drawings.textContent = `The coach that watches here knows drawn figures only. To be coached yourself: ${GET_SKELETONS}`;
      fill(
        this.chips,
        this.profiles.map((profile) =>
          h(
            "label",
            { class: "chip", title: profile.refused || profile.about },
            h("input", {
              type: "radio",
              name: "profile",
              value: profile.name,
              disabled: Boolean(profile.refused),
              checked: profile.name === this.chosen,
              onchange: () => this.choose(profile),
            }),
            profile.title,
          ),
        ),
      );
      this.choose(this.profiles[0]);
    } catch (error) {
      this.page.tell(error.message);
    }
  }

  choose(profile) {
    this.chosen = profile.name;
    this.about.textContent = profile.about;
    this.prompt.hidden = profile.name !== CUSTOM.name;
    if (profile.name === CUSTOM.name) this.prompt.focus();
  }

  /** Profile, or prompt and mode, of the new source; nothing for the server's own. */
  get wanted() {
    const profile = this.profiles?.find((item) => item.name === this.chosen);
    const prompt = profile?.name === CUSTOM.name ? this.prompt.value.trim() : profile?.prompt;
    if (!prompt || profile.name === "coach") return {};
    return profile.name === CUSTOM.name ? { mode: profile.mode, say: { prompt } } : { profile: profile.name };
  }

  card(sign, title, about, ...rest) {
    const wrong = h("p", { class: "wrong", role: "alert" });
    const card = h(
      "section",
      { class: "card" },
      h("h2", {}, icon(sign), title),
      h("p", { class: "quiet" }, about),
      rest,
      wrong,
    );
    card.wrong = wrong;
    return card;
  }

  /** Adds the source and goes to it; what is wrong is said on the card. */
  async add(card, name, url, then = null, more = {}) {
    const wanted = this.free(name);
    const body = { source_id: wanted, url: typeof url === "function" ? url(wanted) : url, ...this.wanted, ...more };
    card.wrong.textContent = "";
    try {
      const source = await api("POST", "/api/sources", body);
      await then?.(source);
      location.hash = `#/s/${encodeURIComponent(source.source_id)}`;
    } catch (error) {
      card.wrong.textContent = error.errors?.length
        ? error.errors.map((item) => item.message).join("; ")
        : error.message;
    }
  }

  free(name) {
    const stem =
      name
        .normalize("NFKD")
        .replace(/[^A-Za-z0-9._-]+/g, "-")
        .replace(/^[^A-Za-z0-9]+/, "")
        .slice(0, 48)
        .replace(/-+$/, "") || "source";
    let id = stem;
    for (let n = 2; this.taken.has(id); n += 1) id = `${stem}-${n}`;
    return id;
  }

  camera() {
    const preview = h("video", {
      class: "preview",
      muted: true,
      playsinline: true,
      hidden: true,
      "aria-label": "Your camera",
    });
    const which = h("select", { hidden: true, "aria-label": "Camera", onchange: () => look(which.value) });
    const go = h("button", { type: "button", class: "primary" }, icon("camera"), "Use this camera");
    this.useCamera = go;
    const card = this.card(
      "camera",
      "This camera",
      "The picture goes from this browser to your server, nowhere else.",
      preview,
      which,
      go,
    );
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
      fill(
        which,
        devices.map((device, i) => h("option", { value: device.deviceId }, device.label || `Camera ${i + 1}`)),
      );
      which.value = this.stream.getVideoTracks()[0].getSettings().deviceId ?? "";
      which.hidden = devices.length < 2;
      go.replaceChildren(icon("camera"), "Start watching");
    };
    go.addEventListener("click", () => {
      if (!this.stream) {
        look();
        return;
      }
      const { stream } = this;
      this.stream = null; // from here on the camera module has it
      this.add(
        card,
        "camera",
        (id) => `push://${id}`,
        (source) => camera.start(source.source_id, "", stream),
      ).then(() => {
        if (!camera.stream) this.stream = stream;
      });
    });
    return card;
  }

  phone() {
    const way = h("div", { class: "phone" });
    const about =
      "Put it where it sees you from head to feet. Photograph this code with it, and it becomes the camera.";
    const card = this.card("phone", "Your phone", about, way);
    phoneWay(way).catch((error) => {
      card.wrong.textContent = error.message;
    });
    return card;
  }

  file() {
    const input = h("input", { type: "file", accept: "video/*,.mkv,.ts,.avi", "aria-label": "Video file" });
    const bar = h("progress", { max: "1", value: 0, hidden: true, "aria-label": "Upload" });
    const said = h("p", { class: "quiet small" });
    const loop = h("input", { type: "checkbox" });
    input.addEventListener("change", () => {
      said.textContent = input.files.length ? `${input.files[0].name}, ${bytes(input.files[0].size)}` : "";
    });
    const go = h("button", { type: "button", class: "primary" }, "Upload and watch");
    const again = h("label", { class: "check" }, loop, "Play it over and over");
    const card = this.card(
      "file",
      "A video file",
      "MP4, MOV, WebM, MKV, AVI or TS. It is stored on your server and removed with the source.",
      input,
      again,
      bar,
      said,
      go,
    );
    go.addEventListener("click", async () => {
      const [file] = input.files;
      if (!file) {
        card.wrong.textContent = "Choose a file first.";
        return;
      }
      card.wrong.textContent = "";
      bar.hidden = false;
      go.disabled = true;
      try {
        const done = await upload(file, (part) => {
          bar.value = part;
          said.textContent = `${bytes(file.size * part)} of ${bytes(file.size)}`;
        });
        await this.add(
          card,
          file.name.replace(/\.[^.]+$/, ""),
          done.url,
          null,
          loop.checked ? { watch: { loop: true } } : {},
        );
      } catch (error) {
        card.wrong.textContent = error.message;
      }
      bar.hidden = true;
      go.disabled = false;
    });
    return card;
  }

  address() {
    const url = h("input", {
      type: "text",
      inputmode: "url",
      autocomplete: "off",
      spellcheck: "false",
      placeholder: "rtsp://camera:554/stream",
      "aria-label": "Address",
    });
    const name = h("input", { type: "text", autocomplete: "off", placeholder: "front-door", maxlength: "64" });
    const go = h("button", { type: "submit", class: "primary" }, "Watch it");
    const form = h(
      "form",
      {
        class: "settings",
        onsubmit: (event) => {
          event.preventDefault();
          const text = url.value.trim();
          if (!text) {
            card.wrong.textContent = "Give an address first.";
            return;
          }
          this.add(card, name.value.trim() || nameOf(text), text);
        },
      },
      h("label", { class: "field" }, h("span", {}, "Address"), url),
      h("label", { class: "field" }, h("span", {}, "Name (optional)"), name),
      go,
    );
    const card = this.card(
      "link",
      "An address",
      "A network camera or a stream on the web: its address is in its manual or app, and often begins with rtsp://. " +
        "A camera plugged into the server is device:0. User and password stay out of logs and pages.",
      form,
    );
    return card;
  }

  pattern() {
    const go = h("button", { type: "button" }, "Show a test pattern");
    const card = this.card(
      "pattern",
      "No video at hand?",
      "A moving pattern made by the server: good for a first look at how everything fits together.",
      go,
    );
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
  return (
    (/\.[a-z0-9]{2,4}$/i.test(plain) && !plain.includes("://")
      ? plain
          .split("/")
          .at(-1)
          .replace(/\.[^.]+$/, "")
      : plain.split(/[/:?]/)[0]) || "source"
  );
}
