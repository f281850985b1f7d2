/** Most items are shorter than what a native copy costs to call. */
export function copyBytes(from: Uint8Array, start: number, length: number, to: Uint8Array, at: number): void {
  if (length > 64) return to.set(from.subarray(start, start + length), at);
  for (let i = 0; i < length; i++) to[at + i] = from[start + i]!;
}
