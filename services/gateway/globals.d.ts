/** Globals that the page's scripts share. */
interface Window {
  /** Switches between dark and light; set by `theme.js`. */
  cornermanTheme: () => void;
  /** The parts of the open source's view, for tests and the console. */
  cornerman: object;
}
