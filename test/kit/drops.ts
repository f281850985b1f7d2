// Mail that is dropped without the sendmail command: as any program of a user's can, honest or not.
import fs from "node:fs";
import { join } from "node:path";
import { dropFolder } from "../../src/pickup/drop/drop_folder.ts";
import type { DropEnvelope } from "../../src/pickup/drop/drop_records.ts";
import { writeDrop } from "../../src/pickup/drop/drop_writer.ts";
import { until } from "./waiting.ts";

/** A message to be dropped. */
export interface DropOptions extends Partial<DropEnvelope> {
  readonly to?: readonly string[];
  /** Lines end in LF. */
  readonly content?: string | Uint8Array;
}

/** Drops a message in the folder of a queue directory. */
export function drop(queueDirectory: string, options: DropOptions = {}): void {
  const { to = ["box@example.com"], content = "Subject: test\n\ntext\n", ...envelope } = options;
  const writer = writeDrop(queueDirectory, { time: Date.now(), ...envelope });
  for (const address of to) writer.recipient({ address });
  writer.content(Buffer.from(content));
  writer.finish();
}

/** Names in the folder of drops. */
export function dropped(queueDirectory: string): string[] {
  return fs.readdirSync(dropFolder(queueDirectory)).sort();
}

/** Resolves when nothing is in it. */
export async function untilTaken(queueDirectory: string): Promise<void> {
  await until(
    () => `an empty folder of drops, where there are ${dropped(queueDirectory).slice(0, 5)}`,
    () => dropped(queueDirectory).length === 0,
  );
}

/** main.cf for a server that puts mail for all of example.com into the mailbox `mail/box`. */
export const ONE_BOX: readonly string[] = [
  "mydestination =",
  "myorigin = example.com",
  "virtual_mailbox_domains = example.com",
  "virtual_mailbox_maps = static:box",
  "virtual_mailbox_base = $mail_spool_directory",
  `virtual_uid_maps = static:${process.getuid!() === 0 ? 65534 : process.getuid!()}`,
  `virtual_gid_maps = static:${process.getuid!() === 0 ? 65534 : process.getgid!()}`,
];

/** The messages of an mbox file, without their first lines. */
export function messagesIn(directory: string): string[] {
  const path = join(directory, "mail/box");
  if (!fs.existsSync(path)) return [];
  return fs.readFileSync(path, "utf8").split(/^From [^\n]*\n/m).slice(1);
}
