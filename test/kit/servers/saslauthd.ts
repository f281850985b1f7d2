// A private saslauthd (package sasl2-bin) that asks an IMAP server of the test's who may log in (its mechanism rimap).
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DOVECOT_USERS } from "../memory/memory_dovecot.ts";
import { until } from "../waiting.ts";
import { answers } from "./reachable.ts";
import { spawnTied } from "./tied_child.ts";

/** A running saslauthd. */
export interface Saslauthd {
  /** Its socket. */
  readonly mux: string;
  /** Who has tried to log in at the IMAP server: the user names. */
  readonly asked: readonly string[];
  stop(): Promise<void>;
}

/** As much of an IMAP server as a LOGIN needs (RFC 3501 §6.2.3). */
function imap(asked: string[]) {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.write("* OK IMAP4rev1\r\n");
    let text = "";
    socket.setEncoding("utf8").on("data", (chunk) => {
      text += chunk;
      const line = /^(\S+) LOGIN "([^"]*)" (?:"([^"]*)"|\{\d+\+?\}\r\n(.*))\r\n/.exec(text);
      if (line === null) {
        if (/^\S+ LOGIN .*\{\d+\}\r\n$/.test(text)) socket.write("+ go\r\n");
        return;
      }
      const [, tag, name = "", quoted, literal] = line;
      asked.push(name);
      const good = Object.hasOwn(DOVECOT_USERS, name) && DOVECOT_USERS[name] === (quoted ?? literal);
      socket.end(good ? `${tag} OK logged in\r\n` : `${tag} NO authentication failed\r\n`);
    });
  });
  return new Promise<{ port: number; close(): void }>((done) =>
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      done({ port, close: () => void server.close() });
    })
  );
}

/** Starts it; needs root. */
export async function startSaslauthd(): Promise<Saslauthd> {
  const folder = mkdtempSync(join(tmpdir(), "saslauthd-"));
  chmodSync(folder, 0o755);
  const asked: string[] = [];
  const users = await imap(asked);
  const options = ["-d", "-a", "rimap", "-O", `127.0.0.1/${users.port}`, "-m", folder, "-n", "1"];
  // It ends its whole process group with itself.
  const child = spawnTied("/usr/sbin/saslauthd", options, { stdio: "ignore", detached: true });
  const exited = new Promise<void>((done) => child.on("exit", () => done()));
  const mux = join(folder, "mux");
  await until(`saslauthd at ${mux}`, () => answers(mux));
  return {
    mux,
    asked,
    async stop() {
      child.kill("SIGTERM");
      await exited;
      users.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
