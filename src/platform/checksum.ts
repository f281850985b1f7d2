import { crc32 as zlibCrc32 } from "node:zlib";

/** CRC-32 (zlib) of the bytes, continuing from `seed`; native, several GB/s. */
export function crc32(bytes: Uint8Array, seed = 0): number {
  return zlibCrc32(bytes, seed);
}
