// The reference of the API, drawn from /openapi.json. Works offline; fetches nothing else.

import { fill, h } from "./dom.js";

const main = document.getElementById("main");

/** A value for a field: its own example, the first of its alternatives, or nothing. */
function exampleOf(schema) {
  if (schema?.examples?.length) return schema.examples[0];
  return schema?.anyOf?.map(exampleOf).find((value) => value !== undefined);
}

const nameOf = (schema) => schema?.$ref?.split("/").at(-1);

function typeOf(schema) {
  if (!schema) return "";
  if (schema.$ref) return nameOf(schema);
  if (schema.anyOf)
    return schema.anyOf
      .map(typeOf)
      .filter((name) => name !== "null")
      .join(" | ");
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.type === "array") return `${typeOf(schema.items)}[]`;
  const limits = [
    ["minimum", "≥"],
    ["exclusiveMinimum", ">"],
    ["maximum", "≤"],
  ]
    .filter(([key]) => key in schema)
    .map(([key, sign]) => `${sign} ${schema[key]}`);
  return [schema.type, ...limits].join(" ");
}

function table(about, head, rows) {
  return h(
    "div",
    { class: "table-wrap", tabindex: "0", role: "region", "aria-label": about },
    h(
      "table",
      {},
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          head.map((text) => h("th", { scope: "col" }, text)),
        ),
      ),
      h(
        "tbody",
        {},
        rows.map((cells) =>
          h(
            "tr",
            {},
            cells.map((cell) => h("td", {}, cell)),
          ),
        ),
      ),
    ),
  );
}

function operation(path, method, spec, schemas) {
  const body = spec.requestBody?.content?.["application/json"]?.schema;
  const examples = schemas[nameOf(body)]?.examples ?? [];
  const parameters = (spec.parameters ?? []).map((item) => [
    h("code", {}, item.name),
    item.in,
    typeOf(item.schema),
    item.schema?.description ?? item.description ?? "",
    exampleText(item.schema),
  ]);
  const good = Object.entries(spec.responses).find(([status]) => Number(status) < 400);
  const answer = Object.entries(good?.[1].content ?? {})
    .map(([type, { schema }]) => [typeOf(schema), type].filter(Boolean).join(", "))
    .join("; ");
  const verb = method === "get" ? "" : `-X ${method.toUpperCase()} `;
  const sent = examples.length ? JSON.stringify(examples[0]).replaceAll("'", "'\\''") : "{…}";
  const payload = body ? `-H 'Content-Type: application/json' -d '${sent}' ` : "";
  const filled = (spec.parameters ?? [])
    .filter((item) => item.in === "path")
    .reduce((text, { name, schema }) => text.replace(`{${name}}`, exampleOf(schema) ?? `{${name}}`), path);
  const curl = `curl ${verb}${payload}'${location.origin}${filled}'`;
  return h(
    "article",
    {},
    h("h3", { class: "operation" }, h("span", { class: "method" }, method.toUpperCase()), h("code", {}, path)),
    h("p", {}, prose(spec.description ?? spec.summary ?? "")),
    parameters.length
      ? table(
          `Parameters of ${method.toUpperCase()} ${path}`,
          ["parameter", "in", "type", "meaning", "example"],
          parameters,
        )
      : null,
    body ? h("p", { class: "quiet" }, "body: ", h("code", {}, typeOf(body))) : null,
    answer ? h("p", { class: "quiet" }, `${good[0]}: ${answer}`) : null,
    h("pre", { tabindex: "0" }, curl),
  );
}

function schemaOf(name, schema) {
  const rows = Object.entries(schema.properties ?? {}).map(([field, rule]) => [
    h("code", {}, field),
    typeOf(rule),
    "default" in rule ? JSON.stringify(rule.default) : "",
    rule.description ?? rule.anyOf?.find((one) => one.description)?.description ?? "",
    exampleText(rule),
  ]);
  return h(
    "article",
    {},
    h("h3", { class: "operation" }, h("code", {}, name)),
    h("p", {}, schema.description ?? ""),
    rows.length ? table(`Fields of ${name}`, ["field", "type", "default", "meaning", "example"], rows) : null,
    (schema.examples ?? []).map((body) => h("pre", { tabindex: "0" }, JSON.stringify(body, null, 2))),
  );
}

const exampleText = (schema) => {
  const value = exampleOf(schema);
  return value === undefined ? "" : h("code", {}, JSON.stringify(value));
};

/** Text with `code` in it. */
function prose(text) {
  return text.split("`").map((part, index) => (index % 2 ? h("code", {}, part) : part));
}

const response = await fetch("/openapi.json");
if (!response.ok) fill(main, h("p", {}, `The reference could not be read: ${response.status}.`));
else {
  const spec = await response.json();
  const tags = new Map();
  for (const [path, methods] of Object.entries(spec.paths)) {
    for (const [method, operationSpec] of Object.entries(methods)) {
      const tag = operationSpec.tags?.[0] ?? "other";
      tags.set(tag, [...(tags.get(tag) ?? []), operation(path, method, operationSpec, spec.components.schemas)]);
    }
  }
  fill(
    main,
    h("h1", {}, `${spec.info.title} API`),
    h("p", { class: "lead" }, prose(spec.info.description)),
    [...tags].map(([tag, items]) => [h("h2", {}, tag), ...items]).flat(),
    h("h2", {}, "Schemas"),
    Object.entries(spec.components.schemas).map(([name, schema]) => schemaOf(name, schema)),
  );
}
