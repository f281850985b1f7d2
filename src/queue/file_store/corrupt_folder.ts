import type { Disk } from "../../platform/file/disk.ts";
import { count, list, record, type Shape, text } from "../../base/shape.ts";
import { readStored } from "../log/stored.ts";
import type { Loss } from "../store.ts";

const lossReport: Shape<Loss> = record<Loss>({
  least: count,
  most: (value) => value === undefined ? undefined : count(value),
  ids: list(text(Infinity), Infinity),
});

/** Stands in the names of contents, between shard and id. */
const CONTENT = ".content.";
/** Ends the name of what remained of an unfinished write: no damage. */
const TORN = ".torn";
/** Ends the name of a report of what was lost. */
const LOST = ".lost";

/** Damaged bytes and reports of what was lost, of all shards: an operator looks at them and removes them. */
export class CorruptFolder {
  readonly #disk: Disk;
  readonly #path: string;
  readonly #shard: string;

  constructor(disk: Disk, path: string, shard: string) {
    this.#disk = disk;
    this.#path = path;
    this.#shard = shard;
  }

  /** Damaged pieces of this shard's log. */
  get count(): number {
    return this.#disk.list(this.#path).filter((name) =>
      name.startsWith(`${this.#shard}.`) && !name.includes(CONTENT) && !name.endsWith(TORN) &&
      !name.endsWith(LOST)
    ).length;
  }

  /** Whether there is nothing of any shard to be looked at. */
  get isEmpty(): boolean {
    return this.#disk.list(this.#path).every((name) => name.endsWith(TORN));
  }

  /** Keeps damaged bytes, once; answers the path when it is new. Rejects when the disk does not take them. */
  async setAside(segment: number, offset: number, bytes: Uint8Array): Promise<string | undefined> {
    const path = `${this.#path}/${this.#shard}.${segment}.${offset}`;
    if (this.#disk.exists(path)) return undefined;
    await this.#write(path, bytes);
    return path;
  }

  /** Keeps what remained of the newest unfinished write; answers the path. */
  async keepTorn(bytes: Uint8Array): Promise<string> {
    const path = `${this.#path}/${this.#shard}${TORN}`;
    if (this.#disk.exists(path)) this.#disk.unlink(path);
    await this.#write(path, bytes);
    return path;
  }

  /** Keeps the report of a loss. */
  async report(loss: Loss, number: number): Promise<void> {
    let path = `${this.#path}/${this.#shard}.${number}${LOST}`;
    for (let again = 1; this.#disk.exists(path); again++) {
      path = `${this.#path}/${this.#shard}.${number}-${again}${LOST}`;
    }
    await this.#write(path, Buffer.from(`${JSON.stringify(loss)}\n`));
  }

  /** Moves the content of a message whose record is damaged here; answers the new path, undefined when it is here already. */
  async takeContent(from: string, id: string): Promise<string | undefined> {
    const path = `${this.#path}/${this.#shard}${CONTENT}${id}`;
    this.#disk.makeDirectory(this.#path);
    if (this.#disk.exists(path)) return undefined;
    this.#disk.rename(from, path);
    await this.#disk.syncDirectory(this.#path);
    return path;
  }

  /** All reports that are here, of any shard. */
  async losses(): Promise<Loss[]> {
    const losses: Loss[] = [];
    for (const name of this.#disk.list(this.#path).filter((each) => each.endsWith(LOST))) {
      try {
        losses.push(readStored(await this.#read(`${this.#path}/${name}`), lossReport));
      } catch {
        losses.push({ least: 0, most: undefined, ids: [] }); // the report itself is damaged
      }
    }
    return losses;
  }

  async #read(path: string): Promise<Buffer> {
    const file = this.#disk.open(path, "read");
    try {
      const bytes = Buffer.alloc(file.size());
      await file.read(bytes, 0);
      return bytes;
    } finally {
      file.close();
    }
  }

  async #write(path: string, bytes: Uint8Array): Promise<void> {
    this.#disk.makeDirectory(this.#path);
    const file = this.#disk.create(path);
    try {
      file.write([bytes], 0);
      await file.sync();
    } catch (error) {
      this.#disk.unlink(path);
      throw error;
    } finally {
      file.close();
    }
    await this.#disk.syncDirectory(this.#path);
  }
}

/** What is in the folder, in a sentence for readiness; undefined when there is nothing. */
export function describeDamage(isEmpty: boolean, losses: readonly Loss[]): string | undefined {
  if (isEmpty) return undefined;
  const least = losses.reduce((sum, loss) => sum + loss.least, 0);
  const most = losses.reduce((sum, loss) => sum + (loss.most ?? Infinity), 0);
  const range = least === most ? `${least}` : most === Infinity ? `about ${least}` : `${least} to ${most}`;
  return `damage was found in the queue: ${range} accepted messages are lost; ` +
    "what is left of them is in corrupt/ below the queue: look at it, then remove it";
}
