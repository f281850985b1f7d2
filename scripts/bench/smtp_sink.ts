// Postfix's smtp-sink as a next hop, and what it has counted.

/** What has come so far. */
export interface SinkCounts {
  readonly connections: number;
  readonly messages: number;
}

const LAST_COUNTS = /sess=(\d+) quit=\d+ mesg=(\d+)\r/g;
/** How long nothing more may come before it is given up. */
const PATIENCE = 60_000;

/** A running smtp-sink. */
export class SmtpSink {
  readonly port: number;
  readonly #child: Bun.Subprocess<"ignore", "pipe", "ignore">;
  counts: SinkCounts = { connections: 0, messages: 0 };
  #heard = performance.now();
  #told: (() => void) | undefined;

  constructor(port: number) {
    this.port = port;
    const user = process.getuid?.() === 0 ? ["-u", "nobody"] : [];
    this.#child = Bun.spawn(["smtp-sink", ...user, "-c", `127.0.0.1:${port}`, "1000"], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "ignore",
    });
    void this.#read();
  }

  async #read(): Promise<void> {
    let tail = "";
    for await (const chunk of this.#child.stdout) {
      tail = (tail + new TextDecoder().decode(chunk)).slice(-200);
      const last = [...tail.matchAll(LAST_COUNTS)].at(-1);
      if (last === undefined) continue;
      this.counts = { connections: Number(last[1]), messages: Number(last[2]) };
      this.#heard = performance.now();
      this.#told?.();
    }
  }

  /** Resolves when so many messages have come in all. */
  async received(messages: number): Promise<void> {
    this.#heard = performance.now();
    while (this.counts.messages < messages) {
      if (performance.now() - this.#heard > PATIENCE) {
        throw new Error(`smtp-sink has ${this.counts.messages} of ${messages} messages`);
      }
      const told = new Promise<void>((resolve) => this.#told = resolve);
      await Promise.race([told, Bun.sleep(1000)]);
    }
  }

  stop(): void {
    this.#child.kill();
  }
}
