// What the real Postfix says of files with keys and certificates, and whether it serves: the cases that ours are held to.
import { expect } from "bun:test";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { inFolder, KEY_FILE_CASES, makeKeyFiles } from "../../kit/key_files.ts";
import { withPeers } from "../../kit/peers.ts";
import { startPostfix } from "../../kit/servers/postfix.ts";
import { freePort } from "../../kit/server.ts";

const { test } = withPeers(import.meta.path, "root", "postfix", "openssl");

/** What STARTTLS is answered with. */
function startTls(port: number): Promise<string> {
  const lines = ["EHLO client.example", "STARTTLS"];
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, "127.0.0.1");
    let text = "";
    socket.on("error", reject);
    socket.on("close", () => reject(new Error(`closed after: ${text}`)));
    socket.on("data", (chunk) => {
      text += String(chunk);
      if (!/^\d{3} .*\r\n$/m.test(text)) return;
      const line = lines.shift();
      if (line === undefined) {
        resolve(text);
        return void socket.destroy();
      }
      text = "";
      socket.write(`${line}\r\n`);
    });
  });
}

test("the real Postfix says of keys and certificates what the cases say", async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "keys-"));
  try {
    makeKeyFiles(folder);
    const ports = await Promise.all(KEY_FILE_CASES.map(() => freePort()));
    const services = KEY_FILE_CASES.map(({ settings }, at) => {
      const set = Object.entries(settings).map(([name, value]) => ` -o ${name}=${inFolder(folder, value)}`);
      return `${ports[at]} inet n - n - 1 smtpd -o syslog_name=case${at}${set.join("")}`;
    });
    const postfix = await startPostfix({
      main: { smtpd_tls_security_level: "may" },
      master: [...services, "tlsmgr unix - - n 1000? 1 tlsmgr"].join("\n"),
    });
    try {
      for (const [at, { name, words, serves }] of KEY_FILE_CASES.entries()) {
        const reply = await startTls(ports[at]!);
        expect(`${name}: ${reply}`).toBe(
          `${name}: ${
            serves ? "220 2.0.0 Ready to start TLS" : "454 4.7.0 TLS not available due to local problem"
          }\r\n`,
        );
        await postfix.waitForLog(
          new RegExp(`case${at}/smtpd\\[\\d+\\]: lost connection after STARTTLS`),
        );
        const said = [...postfix.log().matchAll(new RegExp(`case${at}/smtpd\\[\\d+\\]: warning: (.*)`, "g"))]
          .map(([, text]) => text!).filter((text) => !text.startsWith("TLS library problem"));
        expect({ name, said }).toEqual({ name, said: words.map((line) => inFolder(folder, line)) });
      }
    } finally {
      await postfix.stop();
    }
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}, 300_000);
