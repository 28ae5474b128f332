// Settings of a source, sent one at a time as they are changed. What the server refuses is shown at the field it names.

import { api, sourcePath } from "./api.js";
import { fill, h } from "./dom.js";
import { SavedChoice } from "./profiles.js";

const STRATEGIES = {
  rules: "rules",
  head: "trained head",
  skeleton: "coach on skeletons",
  interval: "interval",
  scene: "scene change",
  llm: "language model",
};
const ABOUT = {
  rules: "Speaks at every n-th chunk, and when motion is high.",
  skeleton: "Reads people as skeletons, counts, and says which mistake it sees.",
  head: "A small trained network on each chunk says when words would help.",
  interval: "Speaks every so many seconds, whatever happens.",
  scene: "Speaks when the picture changes.",
  llm: "The language model itself chooses: silence, words, or a correction.",
};
const MODES = { coach: "coach", polling: "polling", commentary: "commentary" };
const LOOKS = { auto: "as the mode", chunk: "chunk", poll: "poll", stride: "stride" };

/** path, label, kind, and for numbers: min, max, step, unit; `when` = strategies that it matters to. */
const WHEN = [
  ["speak.strategy", "Who decides", STRATEGIES],
  ["speak.confidence_threshold", "Speak above confidence", { min: 0, max: 1, step: 0.01 }],
  ["speak.min_interval_s", "At most once in", { min: 0, max: 30, step: 0.5, unit: "s" }],
  ["speak.every_chunks", "Every n-th chunk", { min: 1, max: 60, step: 1 }, ["rules"]],
  ["speak.motion_threshold", "Motion that asks for words", { min: 0, max: 1, step: 0.01 }, ["rules"]],
  ["speak.interval_s", "Every", { min: 0.5, max: 60, step: 0.5, unit: "s" }, ["interval", "scene"]],
  ["speak.scene_threshold", "Change that counts", { min: 0, max: 100, step: 0.5, unit: "grey" }, ["scene"]],
];
const MORE = [
  ["mode", "Mode", MODES],
  ["speak.repeat_window_s", "Same words not again within", { min: 0, max: 120, step: 1, unit: "s" }],
  ["speak.context_chunks", "Chunks the model sees", { min: 1, max: 16, step: 1 }],
  ["speak.deadline_s", "Too late after", { min: 0, max: 60, step: 0.5, unit: "s" }],
  ["watch.sample_fps", "Frames sampled a second", { min: 1, max: 30, step: 1 }],
  ["watch.overlap", "Frames shared by chunks", { min: 0, max: 7, step: 1 }],
  ["watch.look", "Look", LOOKS],
  ["watch.frames", "Frames of a poll or stride look, 0 = usual", { min: 0, max: 64, step: 1 }],
  ["watch.stride", "Stride: every n-th frame", { min: 1, max: 8, step: 1 }],
  ["watch.window_s", "Window of a poll", { min: 0.5, max: 30, step: 0.5, unit: "s" }],
  ["say.max_new_tokens", "Longest answer", { min: 8, max: 512, step: 8, unit: "tok" }],
  ["say.temperature", "Temperature", { min: 0, max: 2, step: 0.05 }],
  ["say.adapter", "Adapter (LoRA)", "text"],
  ["say.system_prompt", "System prompt", "text"],
];

const at = (source, path) => path.split(".").reduce((value, key) => value?.[key], source);
const change = (path, value) =>
  path
    .split(".")
    .reverse()
    .reduce((inner, key) => ({ [key]: inner }), value);

export class Settings {
  /**
   * @param page shows dialogs
   * @param {(source) => void} onChanged told of the source as the server has it after a change
   * @param {HTMLElement} last shown behind the last setting
   */
  constructor(element, sourceId, page, onChanged, last) {
    this.element = element;
    this.sourceId = sourceId;
    this.profile = new SavedChoice(
      "profile",
      page,
      (...chosen) => this.choose(...chosen),
      () => this.source,
    );
    this.preset = new SavedChoice(
      "preset",
      page,
      (...chosen) => this.chooseCloseness(...chosen),
      () => this.source,
    );
    this.onChanged = onChanged;
    this.last = last;
    this.about = h("p", { class: "quiet small whole" });
    this.fields = new Map();
    this.status = h("p", { class: "applied", role: "status" }, "");
    this.source = null;
  }

  async begin(source) {
    this.source = source;
    const [models] = await Promise.all([api("GET", "/api/models"), this.profile.load(), this.preset.load()]);
    this.models = models;
    fill(this.element, this.form());
    this.show(source, true);
  }

  form() {
    const ignored = !this.models.abilities.follows_prompts;
    this.prompt = h("textarea", {
      rows: "3",
      spellcheck: "true",
      disabled: ignored,
      onchange: () => this.send("say.prompt", this.prompt.value, this.prompt),
    });
    const prompt = h(
      "label",
      { class: "field" },
      h("span", {}, "What to look for, in words"),
      this.prompt,
      ignored ? h("span", { class: "quiet small" }, this.profile.get("default")?.refused ?? "") : null,
      this.wrongOf(this.prompt, "say.prompt"),
    );
    const more = h(
      "details",
      {},
      h("summary", {}, "More settings"),
      h(
        "div",
        { class: "settings two" },
        MORE.map((row) => this.row(...row)),
        this.last,
      ),
    );
    more.classList.add("whole");
    prompt.classList.add("whole");
    this.status.classList.add("whole");
    const [first, ...rest] = WHEN;
    return h(
      "div",
      { class: "settings two" },
      this.profile.row,
      this.preset.row,
      this.row(...first),
      this.about,
      prompt,
      rest.map((row) => this.row(...row)),
      this.inUse(),
      more,
      this.status,
    );
  }

  /** Who encodes and speaks, and why; who decides is this source's own setting. */
  inUse() {
    const { encoder, generator, abilities_text: abilities } = this.models;
    const named = ({ backend, model }) => model || backend;
    const lines = [
      `Watches: ${named(encoder)} (${encoder.why}).`,
      `Speaks: ${named(generator)} (${generator.why}).`,
      `Can do: ${abilities}.`,
    ];
    return h(
      "details",
      { class: "whole models" },
      h("summary", {}, "Models in use"),
      lines.map((line) => h("p", { class: "quiet small" }, line)),
    );
  }

  row(path, title, kind, strategies) {
    const field =
      kind === "text"
        ? this.text(path, title)
        : kind.step
          ? this.range(path, title, kind)
          : this.choice(path, title, kind);
    field.strategies = strategies;
    field.row.append(this.wrongOf(field.input, path));
    this.fields.set(path, field);
    return field.row;
  }

  range(path, title, { min, max, step, unit = "" }) {
    const output = h("output", {});
    const input = h("input", { type: "range", min, max, step, "aria-label": title });
    const show = () => {
      output.textContent = `${input.value}${unit ? ` ${unit}` : ""}`;
    };
    input.addEventListener("input", show);
    input.addEventListener("change", () => this.send(path, Number(input.value), input));
    const row = h("div", { class: "field" }, h("span", {}, title), h("div", { class: "range-line" }, input, output));
    return {
      row,
      input,
      set: (value) => {
        if (Number(value) > max) input.max = value;
        input.value = value;
        show();
      },
    };
  }

  choice(path, title, options) {
    const input = select(options, (value) => this.send(path, value, input));
    return {
      row: label(title, input),
      input,
      set: (value) => {
        input.value = value;
      },
    };
  }

  text(path, title) {
    const input = h("input", {
      type: "text",
      autocomplete: "off",
      onchange: () => this.send(path, input.value, input),
    });
    return {
      row: label(title, input),
      input,
      set: (value) => {
        input.value = value;
      },
    };
  }

  wrongOf(input, path) {
    const note = h("span", { class: "wrong", id: `wrong-${path.replaceAll(".", "-")}` });
    input.setAttribute("aria-describedby", note.id);
    input.note = note;
    return note;
  }

  choose(name, input) {
    const profile = this.profile.get(name);
    if (!profile) {
      this.prompt.focus();
      this.prompt.select();
      return;
    }
    this.prompt.value = profile.prompt;
    this.patch({ profile: name }, input);
  }

  chooseCloseness(name, input) {
    if (this.preset.get(name)) this.patch({ preset: name }, input);
    else this.preset.show();
  }

  send(path, value, input) {
    return this.patch(change(path, value), input);
  }

  async patch(body, input) {
    input.removeAttribute("aria-invalid");
    if (input.note) input.note.textContent = "";
    this.status.textContent = "Applying …";
    try {
      const source = await api("PATCH", sourcePath(this.sourceId), body);
      this.status.textContent = `Applied at ${new Date().toLocaleTimeString()}. Revision ${source.revision}.`;
      this.onChanged(source);
      this.show(source, true);
    } catch (error) {
      this.status.textContent = error.errors?.length ? "Not applied: the server refused it." : error.message;
      if (error.errors?.length && input.note) {
        input.setAttribute("aria-invalid", "true");
        input.note.textContent = error.errors.map((item) => item.message).join("; ");
      }
    }
  }

  /** Shows the server's values; what is being edited is left alone. */
  show(source, force = false) {
    if (!this.source || (!force && source.revision === this.source.revision)) return;
    this.source = source;
    const busy = document.activeElement;
    this.profile.show();
    this.preset.show();
    this.about.textContent = ABOUT[source.speak.strategy] ?? "";
    if (busy !== this.prompt) this.prompt.value = source.say.prompt;
    for (const [path, field] of this.fields) {
      if (busy !== field.input || field.input.type === "range") field.set(at(source, path));
      field.row.hidden = Boolean(field.strategies && !field.strategies.includes(source.speak.strategy));
    }
  }
}

function select(options, onChange) {
  const element = h(
    "select",
    { onchange: () => onChange(element.value) },
    Object.entries(options).map(([value, text]) => h("option", { value }, text)),
  );
  return element;
}

function label(title, input) {
  return h("label", { class: "field" }, h("span", {}, title), input);
}
