// Runs sendmail, ours or the real one, in a queue directory of its own where no mail system runs, and tells what it dropped there.
import { spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DropDefect, DropReader } from "../../../src/pickup/drop/drop_reader.ts";
import { DROP_FOLDER_MODE } from "../../../src/pickup/drop/drop_folder.ts";
import { BINARY } from "../server.ts";

/** A call of sendmail. */
export interface SendmailCall {
  readonly args: readonly string[];
  readonly input?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
  /** The link it is called by. */
  readonly name?: string;
  readonly mainCf?: Readonly<Record<string, string>>;
}

/** A message that waits for pickup. */
export interface Dropped {
  readonly sender: string;
  readonly fullName: string | undefined;
  readonly recipients: readonly { readonly address: string; readonly notify: number }[];
  readonly ret: string | undefined;
  readonly envid: string | undefined;
  readonly body: string | undefined;
  readonly verp: string | undefined;
  readonly relayed: boolean;
  readonly trace: "verify" | "report" | undefined;
  /** One character a byte. */
  readonly content: string;
}

/** What came of a call. */
export interface SendmailOutcome {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
  readonly dropped: readonly Dropped[];
}

interface Place {
  readonly folder: string;
  readonly queue: string;
  readonly config: string;
}

function makePlace(mainCf: Readonly<Record<string, string>>): Place {
  const folder = fs.mkdtempSync(join(tmpdir(), "sendmail-"));
  fs.chmodSync(folder, 0o755);
  const [queue, config] = [join(folder, "queue"), join(folder, "config")];
  for (const path of [queue, config]) fs.mkdirSync(path);
  const main: Record<string, string> = {
    compatibility_level: "3.6",
    queue_directory: queue,
    myhostname: "mail.example.com",
    alias_database: "",
    alias_maps: "",
    ...mainCf,
  };
  const lines = Object.entries(main).map(([name, value]) => `${name} = ${value}\n`);
  fs.writeFileSync(join(config, "main.cf"), lines.join(""));
  return { folder, queue, config };
}

async function within<T>(mainCf: SendmailCall["mainCf"], work: (place: Place) => Promise<T>): Promise<T> {
  const place = makePlace(mainCf ?? {});
  try {
    return await work(place);
  } finally {
    fs.rmSync(place.folder, { recursive: true });
  }
}

function run(
  program: string,
  call: SendmailCall,
  { config }: Place,
): Promise<Omit<SendmailOutcome, "dropped">> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, call.args, {
      argv0: call.name ?? "sendmail",
      env: { PATH: "/usr/bin:/bin", MAIL_CONFIG: config, ...call.env },
      timeout: 60_000,
    });
    let [out, err] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (chunk) => out += chunk);
    child.stderr.setEncoding("utf8").on("data", (chunk) => err += chunk);
    child.stdin.on("error", () => {});
    child.stdin.end(call.input ?? "Subject: x\n\nbody\n");
    child.on("error", reject).on("close", (status) => resolve({ status, out, err }));
  });
}

/** Calls ours. */
export function callOurs(call: SendmailCall): Promise<SendmailOutcome> {
  return within(call.mainCf, async (place) => {
    const drops = join(place.queue, "drop");
    fs.mkdirSync(drops);
    fs.chmodSync(drops, DROP_FOLDER_MODE);
    const said = await run(BINARY, call, place);
    const files = fs.readdirSync(drops).sort().map((name) => join(drops, name));
    return { ...said, dropped: await Promise.all(files.map(readDrop)) };
  });
}

/** A drop as its reader has it. */
export async function readDrop(path: string): Promise<Dropped> {
  const bytes = fs.readFileSync(path);
  const reader = new DropReader({
    size: bytes.length,
    read: (into, at) => Promise.resolve(bytes.copy(into, 0, at)),
  });
  const summary = await reader.summary();
  if (summary instanceof DropDefect) throw new Error(`${path}: ${summary.why}`);
  const pieces: Buffer[] = [];
  for await (const piece of reader.content(summary)) pieces.push(Buffer.from(piece));
  const { envelope: { sender = "", fullName, ret, envid, body, verp, relayed, verifyOnly, reportDelivery } } =
    summary;
  return {
    sender,
    fullName,
    recipients: summary.recipients.map(({ address, notify = 0 }) => ({ address, notify })),
    ret,
    envid,
    body,
    verp,
    relayed: relayed ?? false,
    trace: verifyOnly ? "verify" : reportDelivery ? "report" : undefined,
    content: Buffer.concat(pieces).toString("latin1").replaceAll("\r\n", "\n"),
  };
}

/** What postdrop says, and sendmail of it. */
const OF_POSTDROP =
  /^(?:postdrop: .*|sendmail: (?:warning: mail_stream_cleanup: |\/usr\/sbin\/postdrop |input attribute ).*)\n/gm;

/** Calls the real one; what its postdrop says beside it is left out. */
export function callReal(call: SendmailCall): Promise<SendmailOutcome> {
  return within(call.mainCf, async (place) => {
    const drops = join(place.queue, "maildrop");
    for (const name of ["maildrop", "public", "pid"]) fs.mkdirSync(join(place.queue, name));
    spawnSync("chown", ["postfix:postdrop", drops]);
    fs.chmodSync(drops, 0o730);
    const said = await run("/usr/sbin/sendmail", call, place);
    const err = said.err.replace(OF_POSTDROP, "");
    const files = fs.readdirSync(drops).sort().map((name) => join(drops, name));
    // Where sendmail gave up Postfix leaves files that are not whole; ours leaves none.
    const whole = files.filter((path) => (fs.statSync(path).mode & 0o100) !== 0);
    return { ...said, err, dropped: whole.map(readMaildrop) };
  });
}

/** A file of Postfix's maildrop: letters for the kind of each record, its length in groups of seven bits, its bytes. */
function readMaildrop(path: string): Dropped {
  const bytes = fs.readFileSync(path);
  const found: { kind: string; text: string }[] = [];
  for (let at = 0; at < bytes.length;) {
    const kind = String.fromCharCode(bytes[at++]!);
    let [length, shift] = [0, 0];
    for (let more = true; more; shift += 7) {
      const byte = bytes[at++]!;
      length |= (byte & 0x7f) << shift;
      more = byte > 0x7f;
    }
    found.push({ kind, text: bytes.toString("latin1", at, at + length) });
    at += length;
  }
  return dropOf(found);
}

function dropOf(records: readonly { readonly kind: string; readonly text: string }[]): Dropped {
  const of = (kind: string) => records.find((each) => each.kind === kind)?.text;
  const attributes = new Map(
    records.filter(({ kind }) => kind === "A").map(({ text }) => text.split("=", 2) as [string, string]),
  );
  const recipients: { address: string; notify: number }[] = [];
  let [notify, content] = [0, ""];
  for (const { kind, text } of records) {
    if (kind === "A" && text.startsWith("notify_flags=")) notify = Number(text.slice(13));
    if (kind === "R") recipients.push({ address: text, notify });
    if (kind === "R") notify = 0;
    if (kind === "N") content += `${text}\n`;
    if (kind === "L") content += text;
  }
  const trace = attributes.get("trace_flags");
  return {
    sender: of("S") ?? "none",
    fullName: of("F"),
    recipients,
    ret: { "1": "FULL", "2": "HDRS" }[attributes.get("ret_flags") ?? ""],
    envid: attributes.get("envelope_id"),
    body: { "8bit": "8BITMIME", "7bit": "7BIT" }[attributes.get("encoding") ?? ""],
    verp: of("V"),
    relayed: attributes.get("rewrite_context") === "remote",
    trace: trace === "512" ? "verify" : trace === "1024" ? "report" : undefined,
    content,
  };
}
