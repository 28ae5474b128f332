// Profiles (what to watch for) and presets (how closely): the choice of one, and the editor of your own files.

import { api } from "./api.js";
import { fill, h, icon } from "./dom.js";

const CUSTOM = "custom";

/** Settings that a new preset takes from the source; it may be given others by hand. */
const CLOSENESS = {
  watch: ["sample_fps", "overlap", "look", "frames", "stride", "window_s"],
  speak: [
    "strategy",
    "interval_s",
    "every_chunks",
    "motion_threshold",
    "scene_threshold",
    "confidence_threshold",
    "min_interval_s",
    "repeat_window_s",
    "context_chunks",
    "clear_context",
  ],
  say: ["max_new_tokens", "temperature"],
};

export const KINDS = {
  profile: {
    label: "Prompt profile",
    edit: "Write or change a profile",
    help: "What to watch for. A profile has a prompt; it may set a mode and any setting of watch, speak and say.",
    text: (source) => yaml({ title: "My profile", about: "", mode: source.mode, say: { prompt: source.say.prompt } }),
  },
  preset: {
    label: "How closely",
    edit: "Write or change a preset",
    help: "How closely to watch. A preset sets any of watch, speak and say but the prompt.",
    text: (source) => {
      const sections = Object.entries(CLOSENESS).map(([section, names]) => [section, some(source[section], names)]);
      return yaml({ title: "My preset", about: "", mode: source.mode, ...Object.fromEntries(sections) });
    },
  },
};

export class SavedChoice {
  /**
   * @param {"profile" | "preset"} kind
   * @param page shows the editor's dialog
   * @param {(name: string, input: HTMLElement) => void} onChoice told of the chosen name
   * @param {() => object} source the source as the server has it
   */
  constructor(kind, page, onChoice, source) {
    this.kind = kind;
    this.page = page;
    this.onChoice = onChoice;
    this.source = source;
    this.files = [];
    this.select = h("select", { onchange: () => this.onChoice(this.select.value, this.select) });
    const { label, edit } = KINDS[kind];
    const button = h(
      "button",
      { type: "button", class: "icon", title: edit, "aria-label": edit, onclick: () => this.edit() },
      icon("pencil"),
    );
    this.row = h(
      "div",
      { class: "beside-button" },
      h("label", { class: "field" }, h("span", {}, label), this.select),
      button,
    );
  }

  async load() {
    this.files = (await api("GET", `/api/${this.kind}s`))[`${this.kind}s`];
    this.fill();
  }

  fill() {
    const known = [...this.files, { name: CUSTOM, title: "Custom" }];
    fill(
      this.select,
      known.map(({ name, title, refused }) => h("option", { value: name, disabled: Boolean(refused) }, title)),
    );
    this.show();
  }

  show() {
    const name = this.source()?.[this.kind];
    this.select.value = this.get(name) ? name : CUSTOM;
  }

  get(name) {
    return this.files.find((file) => file.name === name);
  }

  /** Opens the chosen file; one that came with the page as a copy, and settings of no file as a new one. */
  async edit() {
    const chosen = this.get(this.select.value);
    const own = Boolean(chosen && !chosen.bundled);
    const text = chosen
      ? (await api("GET", `/api/${this.kind}s/${chosen.name}`)).text
      : KINDS[this.kind].text(this.source());
    this.open(own ? chosen.name : "", text, own);
  }

  open(name, text, own) {
    const input = h("input", {
      type: "text",
      value: name,
      readonly: own,
      maxlength: "40",
      autocomplete: "off",
      spellcheck: "false",
      placeholder: "small letters, digits, - and _",
    });
    const area = h("textarea", { rows: "14", class: "code", spellcheck: "false", value: text });
    const wrong = h("p", { class: "wrong", role: "alert" });
    const act = async (work, used) => {
      wrong.textContent = "";
      try {
        await work();
        await this.load();
        this.page.dialog.close();
        if (used) this.onChoice(used, this.select);
      } catch (error) {
        wrong.textContent = error.errors?.length ? error.errors.map((item) => item.message).join("\n") : error.message;
      }
    };
    const path = () => `/api/${this.kind}s/${encodeURIComponent(input.value.trim())}`;
    const save = () => act(() => api("PUT", path(), { text: area.value }), input.value.trim());
    const remove = () => act(() => api("DELETE", path()));
    this.page.panel(
      KINDS[this.kind].edit,
      [
        h("p", { class: "quiet small" }, KINDS[this.kind].help),
        h("label", { class: "field" }, h("span", {}, "Name"), input),
        h("label", { class: "field" }, h("span", {}, "File (YAML)"), area),
        wrong,
      ],
      [
        own ? h("button", { type: "button", class: "danger", onclick: remove }, "Remove") : null,
        h("button", { type: "button", onclick: () => this.page.dialog.close() }, "Cancel"),
        h("button", { type: "button", class: "primary", onclick: save }, "Save and use"),
      ],
      own ? area : input,
    );
  }
}

function some(section, names) {
  return Object.fromEntries(names.filter((name) => name in section).map((name) => [name, section[name]]));
}

/** A file of settings. JSON's values are YAML too. */
function yaml(tree) {
  const lines = Object.entries(tree).flatMap(([name, value]) =>
    value && typeof value === "object"
      ? [`${name}:`, ...Object.entries(value).map(([key, inner]) => `  ${key}: ${JSON.stringify(inner)}`)]
      : [`${name}: ${JSON.stringify(value)}`],
  );
  return `${lines.join("\n")}\n`;
}
