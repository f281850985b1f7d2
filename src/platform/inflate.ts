import { zlibModule } from "./late_modules.ts";

/** What was packed, or why it cannot be had. */
export type Unpacked =
  | { readonly is: "bytes"; readonly bytes: Uint8Array<ArrayBuffer> }
  /** There is more than was asked for at most. */
  | { readonly is: "tooMuch" }
  | { readonly is: "broken"; readonly why: string };

/** What gzip(1) has packed, at most so many bytes of it: no more is ever made. */
export function gunzip(packed: Uint8Array, most: number): Unpacked {
  return unpacked(() => zlibModule().gunzipSync(packed, { maxOutputLength: most }));
}

/** The same without gzip's frame, as in ZIP files (RFC 1951). */
export function inflate(packed: Uint8Array, most: number): Unpacked {
  return unpacked(() => zlibModule().inflateRawSync(packed, { maxOutputLength: most }));
}

function unpacked(work: () => Uint8Array<ArrayBuffer>): Unpacked {
  try {
    return { is: "bytes", bytes: work() };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === "ERR_BUFFER_TOO_LARGE" ? { is: "tooMuch" } : { is: "broken", why: message };
  }
}
