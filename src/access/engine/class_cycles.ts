import { splitList } from "../../config/syntax/list.ts";

/**
 * A restriction class that contains itself, as the way from it back to it; one for each class that begins such a circle. Postfix
 * dies of one (it recurses until the stack is used up); here it is refused with 451 when it is reached.
 */
export function classCycles(texts: ReadonlyMap<string, string>): (readonly string[])[] {
  const known = new Set<string>();
  const cycles: (readonly string[])[] = [];
  const visit = (name: string, way: readonly string[]): void => {
    const at = way.indexOf(name);
    if (at >= 0) return void cycles.push([...way.slice(at), name]);
    const text = texts.get(name);
    if (text === undefined || known.has(name)) return;
    for (const item of splitList(text)) visit(item, [...way, name]);
    known.add(name);
  };
  for (const name of texts.keys()) visit(name, []);
  return cycles;
}
