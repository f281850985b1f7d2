import { bracedItems } from "./composed/members.ts";

/** The tables that answers of a table come from: itself, or those that it is made of (unionmap, pipemap, proxy), however deep. */
export function leafSpecs(spec: string): readonly string[] {
  const [, type, name = ""] = /^(unionmap|pipemap|proxy):(.*)$/s.exec(spec) ?? [];
  if (type === undefined) return [spec];
  return type === "proxy" ? leafSpecs(name) : (bracedItems(name) ?? []).flatMap(leafSpecs);
}
