// Choices of this browser that outlive the page. Where storage is forbidden they last as long as the page.

const PREFIX = "cornerman.";
const here = new Map();

/** The kept text, or "". */
export function recall(name) {
  try {
    return localStorage.getItem(PREFIX + name) ?? here.get(name) ?? "";
  } catch {
    return here.get(name) ?? "";
  }
}

export function keep(name, value) {
  here.set(name, value);
  try {
    localStorage.setItem(PREFIX + name, value);
  } catch {
    return; // it lasts as long as the page
  }
}
