// Builds elements. Text becomes text nodes only: nothing from a source, a model or a person is parsed as HTML.

const SVG = "http://www.w3.org/2000/svg";

/** An element: `h("button", { class: "primary", onclick: go }, "Go")`. Props that are functions become listeners. */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name.replace(/^on/, ""), value);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Replaces what is in `element`. */
export function fill(element, ...children) {
  element.replaceChildren(
    ...children.flat().filter((child) => child !== null && child !== undefined && child !== false),
  );
  return element;
}

const PATHS = {
  sound: "M4 9v6h4l5 4V5L8 9H4zm12.5-1.5a6 6 0 010 9M18.8 5a9.5 9.5 0 010 14",
  silent: "M4 9v6h4l5 4V5L8 9H4zm12 .5l5 5m0-5l-5 5",
  theme: "M12 3a9 9 0 100 18V3z M12 3a9 9 0 010 18",
  plus: "M12 5v14M5 12h14",
  wall: "M4 5h7v6H4zM13 5h7v6h-7zM4 13h7v6H4zM13 13h7v6h-7z",
  pause: "M8 5v14M16 5v14",
  play: "M7 5l12 7-12 7z",
  camera: "M3 7h12v10H3zM15 11l6-3v8l-6-3z",
  phone: "M7 3h10v18H7zM11 18h2",
  health: "M3 12h4l3 7 4-14 3 7h4",
  left: "M15 5l-7 7 7 7",
  right: "M9 5l7 7-7 7",
  down: "M12 4v11m-5-5l5 5 5-5M5 20h14",
  file: "M6 3h8l4 4v14H6zM14 3v4h4",
  link: "M10 14a4 4 0 005.7 0l3.3-3.3a4 4 0 00-5.7-5.7L12 6.3M14 10a4 4 0 00-5.7 0L5 13.3a4 4 0 005.7 5.7L12 17.7",
  pattern: "M4 4h16v16H4zM4 12h16M12 4v16",
  pencil: "M4 20l1-4L16 5l3 3L8 19zM14 7l3 3",
  person: "M12 3a2.5 2.5 0 110 5 2.5 2.5 0 010-5zM5 11h14M12 8v6m0 0l-4 7m4-7l4 7",
  teach: "M2 9l10-5 10 5-10 5zM6 11.5V16c0 1 3 3 6 3s6-2 6-3v-4.5",
  close: "M6 6l12 12M18 6L6 18",
  full: "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5",
};

/** A line icon; decoration, so hidden from screen readers. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  const looks = {
    viewBox: "0 0 24 24",
    fill: "none",
    stroke: "currentColor",
    "stroke-width": "2",
    "aria-hidden": "true",
  };
  for (const [key, value] of Object.entries({ ...looks, "stroke-linecap": "round", "stroke-linejoin": "round" })) {
    svg.setAttribute(key, value);
  }
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

/** A CSS colour variable's value, for canvases. */
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** Fits a canvas to its box and the screen's pixels; returns a context in CSS pixels, or null while it has no size. */
export function context2d(canvas) {
  const { width, height } = canvas.getBoundingClientRect();
  if (!width || !height) return null;
  const scale = Math.min(devicePixelRatio || 1, 3);
  const [w, hgt] = [Math.round(width * scale), Math.round(height * scale)];
  if (canvas.width !== w || canvas.height !== hgt) Object.assign(canvas, { width: w, height: hgt });
  const context = canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}

/** Calls `work` at most once a frame, however often it is asked. */
export function oncePerFrame(work) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      work();
    });
  };
}
