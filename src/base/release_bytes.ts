/** Less is not worth it, and may share its memory with others (`Buffer.allocUnsafe`). */
const LEAST = 16_384;

/**
 * Gives the memory of bytes back at once: whatever looks at them finds them empty afterwards. For the pieces of a long stream: one that
 * outlives a short run of the collector lies until a long one, and with many streams those come to many times what is in use.
 */
export function releaseBytes({ buffer }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength >= LEAST) buffer.transfer(0);
}
