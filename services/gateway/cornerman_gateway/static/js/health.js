// Who works and what waits.

import { fill, h } from "./dom.js";
import { bytes, since } from "./format.js";

export class HealthView {
  constructor(page) {
    this.page = page;
    this.problems = h("div", { role: "status" });
    this.lags = h("div", { class: "lags" });
    this.rows = h("tbody");
    const head = ["role", "worker", "state", "in work", "memory", "up for", "host", "detail"].map((text) =>
      h("th", { scope: "col" }, text),
    );
    fill(
      page.main,
      h(
        "div",
        { class: "page" },
        h("h1", {}, "Health"),
        this.problems,
        h("h2", {}, "Waiting or in work, by group"),
        this.lags,
        h("h2", {}, "Workers"),
        h(
          "div",
          { class: "table-wrap", tabindex: "0", role: "region", "aria-label": "Workers" },
          h("table", {}, h("thead", {}, h("tr", {}, head)), this.rows),
        ),
        h(
          "p",
          { class: "quiet" },
          "For machines: ",
          h("a", { href: "/metrics" }, "/metrics"),
          ", ",
          h("a", { href: "/readyz" }, "/readyz"),
          ", ",
          h("a", { href: "/docs" }, "/docs"),
          ".",
        ),
      ),
    );
    this.unlisten = page.onStatus((status) => this.show(status));
  }

  show(status) {
    const tile = (title, value) =>
      h("section", { class: "tile" }, h("h3", {}, title), h("div", { class: "value" }, String(value)));
    fill(
      this.problems,
      h(
        "p",
        { class: status.health.problems.length ? "danger" : "quiet" },
        status.health.problems.length ? "Degraded" : "Healthy",
      ),
      status.health.problems.map((problem) =>
        h("p", { class: "note" }, h("b", {}, problem.what), `: ${problem.reason}`),
      ),
    );
    fill(
      this.lags,
      Object.entries(status.lag).map(([group, count]) => tile(group, count)),
      tile("dead letters", status.dead_letters),
      tile("event clients", status.clients),
      tile("viewers", status.viewers),
    );
    fill(
      this.rows,
      status.workers.length
        ? status.workers.map((worker) =>
            h(
              "tr",
              {},
              h("td", {}, worker.role),
              h("td", {}, worker.name),
              h("td", { title: worker.reason }, worker.state),
              h("td", {}, String(worker.busy)),
              h("td", {}, bytes(worker.rss_bytes)),
              h("td", {}, since(status.at_s - worker.started_at_s)),
              h("td", {}, `${worker.host}:${worker.pid}`),
              h(
                "td",
                { class: "quiet small" },
                Object.entries(worker.detail)
                  .map(([name, value]) => `${name} ${Number(value.toFixed(2))}`)
                  .join(", "),
              ),
            ),
          )
        : h("tr", {}, h("td", { colspan: "8", class: "quiet" }, "No worker has spoken. Start them: cornerman up.")),
    );
  }

  redraw() {}

  close() {
    this.unlisten();
  }
}
