/** Past this the number would not be exact. */
const HIGHEST_MAJOR = 2 ** 32;

/** `major[.minor[.patch]]` as one comparable number; undefined when malformed (compatibility_level, postconf(5)). */
export function parseLevel(text: string): number | undefined {
  const match = /^[ \t\n\v\f\r]*\+?(\d+)(?:\.(\d+)(?:\.(\d+))?)?$/.exec(text);
  if (match === null) return undefined;
  const [major, minor, patch] = [Number(match[1]), Number(match[2] ?? 0), Number(match[3] ?? 0)];
  if (major > HIGHEST_MAJOR || minor > 1023 || patch > 1023) return undefined;
  return (major * 1024 + minor) * 1024 + patch;
}

/** Postfix's text for a level that cannot be read. */
export function malformedLevel(text: string): string {
  return `malformed compatibility level syntax: "${text}"`;
}
