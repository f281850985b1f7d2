// Other people's clients against the compiled binary, and a real sink behind it that must get every message exactly once.
import { expect } from "bun:test";
import { type Subprocess } from "bun";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import nodemailer from "nodemailer";
import { freePort, type Server, startServer } from "../../kit/server.ts";
import { mailbox } from "../../kit/mailbox.ts";
import { tied } from "../../kit/servers/tied_child.ts";
import { withPeers } from "../../kit/peers.ts";
import { until } from "../../kit/waiting.ts";

const { afterAll, beforeAll, test } = withPeers(import.meta.path, "dist/mta");

const LONG = process.env.MTA_LONG_TESTS === "1";

let server: Server;
let mailboxes = "";

beforeAll(async () => {
  const names = ["swaks", "smtplib", "nodemailer"];
  const aliases = names.map((name) => `${name}=$mail_spool_directory/${name}`).join(", ");
  server = await startServer({
    mainCf: ["mydestination = example.com", `alias_maps = inline:{ ${aliases} }`, "default_privs = daemon"],
  });
  mailboxes = join(server.directory, "mail");
});

afterAll(async () => {
  await server?.stop();
});

async function finish(command: string[]): Promise<{ code: number; out: string }> {
  const child = Bun.spawn(tied(command), { stdout: "pipe", stderr: "pipe", stdin: "ignore" });
  const out = await new Response(child.stdout).text() + await new Response(child.stderr).text();
  return { code: await child.exited, out };
}

withPeers(import.meta.path, "dist/mta", "swaks").test("swaks delivers a message", async () => {
  const { code, out } = await finish([
    "swaks",
    "--server",
    `127.0.0.1:${server.port}`,
    "--from",
    "ann@example.org",
    "--to",
    "swaks@example.com",
    "--header",
    "Subject: from swaks",
    "--body",
    "one\n.two\n..three",
    "--pipeline",
  ]);
  expect(out).toContain("250 2.0.0 Ok: queued as ");
  expect(code).toBe(0);
  expect(await mailbox(join(mailboxes, "swaks"))).toContain("\none\n.two\n..three\n");
});

withPeers(import.meta.path, "dist/mta", "python3").test("Python's smtplib delivers a message", async () => {
  const script = `
import smtplib, email.message, sys
m = email.message.EmailMessage(); m["Subject"] = "from smtplib"; m["From"] = "ann@example.org"; m["To"] = "smtplib@example.com"
m.set_content("gr\\u00fc\\u00dfe\\n" * 3)
with smtplib.SMTP("127.0.0.1", int(sys.argv[1])) as s:
    s.send_message(m)
    s.sendmail("ann@example.org", ["smtplib@example.com"], "Subject: again\\r\\n\\r\\nsecond\\r\\n")
`;
  const { code, out } = await finish(["python3", "-c", script, String(server.port)]);
  expect(out).toBe("");
  expect(code).toBe(0);
  await server.logged(/to=<smtplib@.*status=sent/);
  expect(await mailbox(join(mailboxes, "smtplib"))).toContain("Subject: from smtplib");
});

test(
  "nodemailer delivers a message with an attachment, and many over one connection",
  async () => {
    const transport = nodemailer.createTransport({
      host: "127.0.0.1",
      port: server.port,
      pool: true,
      maxConnections: 1,
      secure: false,
      ignoreTLS: true,
    });
    const send = (n: number) =>
      transport.sendMail({
        from: "ann@example.org",
        to: "nodemailer@example.com",
        subject: `number ${n}`,
        text: "hello",
        attachments: [{ filename: "blob.bin", content: Buffer.alloc(300_000, n) }],
      });
    const replies = await Promise.all([0, 1, 2, 3, 4].map(send));
    transport.close();
    for (const { response } of replies) expect(response).toMatch(/^250 2\.0\.0 Ok: queued as \w+$/);
    await until(
      "five messages",
      async () =>
        (await mailbox(join(mailboxes, "nodemailer"))).match(/^Subject: number \d$/gm)?.length === 5,
    );
    expect((await mailbox(join(mailboxes, "nodemailer"))).match(/^Subject: number \d$/gm)?.toSorted())
      .toEqual(
        [0, 1, 2, 3, 4].map((n) => `Subject: number ${n}`),
      );
  },
);

interface Sink {
  readonly port: number;
  readonly folder: string;
  readonly process: Subprocess;
}

/** smtp-sink that writes each message to a file of its own. */
async function startSink(): Promise<Sink> {
  const folder = mkdtempSync(join(tmpdir(), "mta-sink-"));
  chmodSync(folder, 0o777);
  mkdirSync(join(folder, "mail"));
  chmodSync(join(folder, "mail"), 0o777);
  const port = await freePort();
  const user = process.getuid?.() === 0 ? ["-u", "nobody"] : [];
  const process_ = Bun.spawn(["smtp-sink", ...user, "-d", "mail/", `127.0.0.1:${port}`, "1000"], {
    cwd: folder,
    stdout: "ignore",
    stderr: "inherit",
  });
  return { port, folder: join(folder, "mail"), process: process_ };
}

withPeers(import.meta.path, "dist/mta", "postfix").test(
  "smtp-source sends 20 sessions' load, and the sink behind gets every message exactly once",
  async () => {
    const messages = LONG ? 20_000 : 2_000;
    const sink = await startSink();
    const relay = await startServer({ mainCf: ["mydestination =", `relayhost = [127.0.0.1]:${sink.port}`] });
    try {
      const { code, out } = await finish([
        "smtp-source",
        "-s",
        "20",
        "-m",
        String(messages),
        "-l",
        "4096",
        "-f",
        "ann@example.org",
        "-t",
        "bob@example.net",
        `127.0.0.1:${relay.port}`,
      ]);
      expect(out).toBe("");
      expect(code).toBe(0);
      // What is out of the queue cannot come a second time.
      await until("the queue is empty", () => (relay.log().match(/: removed$/gm)?.length ?? 0) === messages);
      const files = readdirSync(sink.folder).map((name) => readFileSync(join(sink.folder, name), "latin1"));
      const ids = files.map((text) =>
        /\n\s*by mail\.example\.com \(mta\) with E?SMTP id (\w+)/.exec(text)?.[1]
      );
      expect(files.length).toBe(messages);
      expect(new Set(ids).size).toBe(messages);
      expect(ids).not.toContain(undefined);
      const lengths = new Set(files.map((text) => text.slice(text.indexOf("\n\n") + 2).length));
      expect(Math.max(...lengths) - Math.min(...lengths)).toBeLessThan(64);
    } finally {
      await relay.stop();
      sink.process.kill();
      rmSync(join(sink.folder, ".."), { recursive: true, force: true });
    }
  },
  180_000,
);
