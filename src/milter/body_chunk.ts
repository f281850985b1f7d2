import { BODY_CHUNK, COMMANDS } from "./protocol.ts";

const HEAD = 5;
/** Room for a small message. */
const LEAST = 4096;

/** A piece of body on its way into a packet of its own: bytes are copied once, into what is sent. */
export class BodyChunk {
  #room: Buffer | undefined;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  get isFull(): boolean {
    return this.#length === BODY_CHUNK;
  }

  /** Takes what there is room for; answers how much that was. */
  add(bytes: Uint8Array, from: number): number {
    const size = Math.min(BODY_CHUNK - this.#length, bytes.length - from);
    const room = this.#roomFor(HEAD + this.#length + size);
    room.set(bytes.subarray(from, from + size), HEAD + this.#length);
    this.#length += size;
    return size;
  }

  #roomFor(size: number): Buffer {
    const room = this.#room;
    if (room !== undefined && room.length >= size) return room;
    const larger = Buffer.allocUnsafeSlow(Math.min(Math.max(2 * size, LEAST), HEAD + BODY_CHUNK));
    if (room !== undefined) room.copy(larger, 0, 0, HEAD + this.#length);
    return this.#room = larger;
  }

  /** The packet; `again`: it has been read before anything is added, so that its room serves for the next one. */
  take(again: boolean): Buffer {
    const packet = this.#roomFor(HEAD).subarray(0, HEAD + this.#length);
    packet.writeUInt32BE(this.#length + 1, 0);
    packet[HEAD - 1] = COMMANDS.body.charCodeAt(0);
    this.#length = 0;
    if (!again) this.#room = undefined;
    return packet;
  }
}
