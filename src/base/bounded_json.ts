import { Misfit, type Shape } from "./shape.ts";

/** Objects and lists inside each other, at most: nothing of ours comes near, and deep nesting costs many times its bytes. */
export const DEEPEST = 64;

const [QUOTE, BACKSLASH] = [0x22, 0x5c];
const OPENERS = "[{";
const CLOSERS = "]}";

/** Whether text that should be JSON nests deeper than so much; looks at each character once. */
function isDeeperThan(depth: number, json: string): boolean {
  let open = 0;
  let inText = false;
  for (let at = 0; at < json.length; at++) {
    const code = json.charCodeAt(at);
    if (inText) {
      if (code === BACKSLASH) at++;
      else if (code === QUOTE) inText = false;
    } else if (code === QUOTE) inText = true;
    else if (code === OPENERS.charCodeAt(0) || code === OPENERS.charCodeAt(1)) {
      if (++open > depth) return true;
    } else if (code === CLOSERS.charCodeAt(0) || code === CLOSERS.charCodeAt(1)) open--;
  }
  return false;
}

/** A value out of JSON that somebody else wrote. The caller has bounded its length; the depth is looked at before anything is built. */
export function readJson<T>(json: string, shape: Shape<T>): T | Misfit {
  if (isDeeperThan(DEEPEST, json)) return new Misfit(`JSON of at most ${DEEPEST} levels`);
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return new Misfit("JSON");
  }
  return shape(value);
}
