import type { Instance } from "./_instances.ts";

/** Which instances a command is for (postmulti(1) -a, -g, -i). */
export type Selection =
  | { readonly is: "none" }
  | { readonly is: "all" }
  | { readonly is: "group"; readonly name: string }
  | { readonly is: "name"; readonly name: string };

/** What instance names begin with, and what may be left out where one is selected. */
export const NAME_PREFIX = "postfix-";

/** Whether an instance is selected. By name: its name, with or without the prefix, or its directory; `-` is the primary one. */
export function isSelected(selection: Selection, instance: Instance): boolean {
  switch (selection.is) {
    case "none":
      return false;
    case "all":
      return true;
    case "group":
      return instance.group === selection.name;
    case "name":
      return selection.name === nameFor(selection.name, instance) ||
        (instance.primary && selection.name === "-");
  }
}

function nameFor(wanted: string, { directory, name }: Instance): string {
  if (wanted.startsWith("/") || name === "") return directory;
  const short = !wanted.startsWith(NAME_PREFIX) && name.startsWith(NAME_PREFIX);
  return short ? name.slice(NAME_PREFIX.length) : name;
}
