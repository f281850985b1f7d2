import { expect, setDefaultTimeout } from "bun:test";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runMta, type Server, startServer } from "../../kit/server.ts";
import { sendMessage, talk } from "../../kit/talk.ts";
import { withPeers } from "../../kit/peers.ts";
import { until } from "../../kit/waiting.ts";

const { afterEach, test: asRoot } = withPeers(import.meta.path, "dist/mta", "root");

setDefaultTimeout(180_000);
let server: Server | undefined;
afterEach(async () => void await server?.stop());

/** A folder that everybody may enter. */
function folder(uid: number, gid: number, mode: number): string {
  const path = mkdtempSync(join(tmpdir(), "mta-rights-"));
  chownSync(path, uid, gid);
  chmodSync(path, mode);
  return path;
}

const numberOf = (file: string, name: string, field: number) =>
  Number(new RegExp(`^${name}:(.*)$`, "m").exec(readFileSync(file, "utf8"))![1]!.split(":")[field]);

asRoot(
  "a local user's mailbox is the user's own, made in a spool folder that its group may write to",
  async () => {
    const mail = numberOf("/etc/group", "mail", 1);
    const spool = folder(0, mail, 0o2775);
    server = await startServer({
      mainCf: ["mydestination = example.com", "local_recipient_maps =", `mail_spool_directory = ${spool}`],
    });
    expect(await sendMessage(server.port, { from: "", to: "daemon@example.com" })).toStartWith("250");
    await server.logged(/to=<daemon@example\.com>.*status=sent \(delivered to mailbox\)/);
    const { uid, mode } = statSync(join(spool, "daemon"));
    expect([uid, mode & 0o777]).toEqual([numberOf("/etc/passwd", "daemon", 1), 0o600]);
    expect(readFileSync(join(spool, "daemon"), "utf8")).toContain("\n\nhello\n");
  },
);

asRoot("mail for a spool folder that only root may write to waits, and the log says what to do", async () => {
  const spool = folder(0, 0, 0o755);
  server = await startServer({
    mainCf: ["mydestination = example.com", "local_recipient_maps =", `mail_spool_directory = ${spool}`],
  });
  expect(await sendMessage(server.port, { from: "", to: "daemon@example.com" })).toStartWith("250");
  const line = await server.logged(/to=<daemon@example\.com>.*dsn=4\.3\.0, status=deferred/);
  expect(line).toEndWith(
    `Permission denied (nothing is delivered as root: chgrp mail ${spool}; chmod g+w ${spool}))`,
  );
});

asRoot("virtual mailboxes belong to the numbers that the tables give", async () => {
  const base = folder(12_345, 12_346, 0o755);
  server = await startServer({
    mainCf: [
      "virtual_mailbox_domains = virt.example",
      "virtual_mailbox_maps = inline:{x@virt.example=x/Maildir/}",
      `virtual_mailbox_base = ${base}`,
      "virtual_uid_maps = static:12345",
      "virtual_gid_maps = static:12346",
    ],
  });
  await sendMessage(server.port, { from: "", to: "x@virt.example" });
  await server.logged(/to=<x@virt\.example>.*status=sent \(delivered to maildir\)/);
  const [name] = readdirSync(join(base, "x/Maildir/new"));
  const { uid, gid } = statSync(join(base, "x/Maildir/new", name!));
  expect([uid, gid]).toEqual([12_345, 12_346]);
});

asRoot("a pipe's command runs as its user, with no other group and no privilege", async () => {
  const out = folder(0, 0, 0o777);
  server = await startServer({
    mainCf: ["relay_domains = p.example", "transport_maps = inline:{p.example=p:}"],
    masterCf: [
      `p unix - n n - - pipe user=daemon argv=/bin/sh -c {cat > ${out}/mail; cat /proc/self/status > ${out}/status}`,
    ],
  });
  await sendMessage(server.port, { from: "", to: "x@p.example" });
  await server.logged(/to=<x@p\.example>.*status=sent \(delivered via p service\)/);
  const status = readFileSync(join(out, "status"), "utf8");
  const [uid, gid] = [numberOf("/etc/passwd", "daemon", 1), numberOf("/etc/passwd", "daemon", 2)];
  expect(/^Uid:\t(.*)$/m.exec(status)![1]).toBe([uid, uid, uid, uid].join("\t"));
  expect(/^Gid:\t(.*)$/m.exec(status)![1]).toBe([gid, gid, gid, gid].join("\t"));
  expect(/^Groups:\t(.*)$/m.exec(status)![1]!.trim()).toBe("");
  expect(/^CapEff:\t(.*)$/m.exec(status)![1]).toBe("0000000000000000");
  expect(readFileSync(join(out, "mail"), "utf8")).toContain("hello");
});

asRoot(
  "root's mail is kept in the spool folder by default_privs, as nothing is delivered with root's rights",
  async () => {
    const spool = folder(0, 0, 0o1777);
    server = await startServer({
      mainCf: ["mydestination = example.com", "local_recipient_maps =", `mail_spool_directory = ${spool}`],
    });
    await sendMessage(server.port, { from: "", to: "root@example.com" });
    await server.logged(/to=<root@example\.com>.*status=sent \(delivered to mailbox\)/);
    expect(statSync(join(spool, "root")).uid).toBe(numberOf("/etc/passwd", "nobody", 1));
  },
);

asRoot("a .forward file counts in a home that only its owner may enter", async () => {
  const [uid, gid] = [numberOf("/etc/passwd", "daemon", 1), numberOf("/etc/passwd", "daemon", 2)];
  const home = folder(uid, gid, 0o700);
  writeFileSync(join(home, ".forward"), `${home}/kept\n`);
  chownSync(join(home, ".forward"), uid, gid);
  server = await startServer({
    mainCf: [
      "mydestination = example.com",
      "local_recipient_maps =",
      `forward_path = ${home}/.forward`,
      "allow_mail_to_files = alias,forward",
    ],
  });
  await sendMessage(server.port, { from: "", to: "daemon@example.com" });
  await server.logged(/to=<daemon@example\.com>.*status=sent \(delivered to file: /);
  expect(statSync(join(home, "kept")).uid).toBe(uid);
});

asRoot("the helpers' sockets are out of reach for everybody but mail_owner", async () => {
  const base = folder(12_345, 12_346, 0o755);
  server = await startServer({
    mainCf: [
      "virtual_mailbox_domains = virt.example",
      "virtual_mailbox_maps = inline:{x@virt.example=x/}",
      `virtual_mailbox_base = ${base}`,
      "virtual_uid_maps = static:12345",
      "virtual_gid_maps = static:12346",
      "max_idle = 1s",
    ],
  });
  await sendMessage(server.port, { from: "", to: "x@virt.example" });
  await server.logged(/to=<x@virt\.example>.*status=sent/);
  const { uid, gid, mode } = statSync(join(server.queueDirectory, "helpers"));
  expect([uid, mode & 0o7777]).toEqual([0, 0o710]);
  expect(gid).not.toBe(0);
  const helpers = join(server.queueDirectory, "helpers");
  await until("the end of the idle helper", () => readdirSync(helpers).length === 0);
});

asRoot("mail arrives whole with several workers, each with its share of the limits", async () => {
  const base = folder(12_345, 12_346, 0o755);
  mkdirSync(join(base, "x"), { recursive: true });
  chownSync(join(base, "x"), 12_345, 12_346);
  server = await startServer({
    mainCf: [
      "worker_processes = 3",
      "virtual_mailbox_domains = virt.example",
      "virtual_mailbox_maps = inline:{x@virt.example=x/}",
      `virtual_mailbox_base = ${base}`,
      "virtual_uid_maps = static:12345",
      "virtual_gid_maps = static:12346",
    ],
  });
  const { port } = server;
  const answers = await Promise.all(
    Array.from({ length: 60 }, () => sendMessage(port, { from: "", to: "x@virt.example" })),
  );
  expect(answers.filter((answer) => !answer.startsWith("250"))).toEqual([]);
  expect(new Set(answers).size).toBe(60);
  const place = join(base, "x/new");
  const arrived = () => existsSync(place) ? readdirSync(place).length : 0;
  await until(() => `60 messages, ${arrived()} arrived:\n${server!.log()}`, () => arrived() >= 60);
});

asRoot(
  "a transport with one process runs one command at a time, however many workers there are",
  async () => {
    const out = folder(0, 0, 0o777);
    const command = `echo start >> ${out}/log; sleep 0.1; echo end >> ${out}/log`;
    server = await startServer({
      mainCf: [
        "worker_processes = 3",
        "relay_domains = p.example",
        "transport_maps = inline:{p.example=p:}",
        "p_destination_recipient_limit = 1",
      ],
      masterCf: [`p unix - n n - 1 pipe user=daemon argv=/bin/sh -c {${command}}`],
    });
    const { port } = server;
    await Promise.all(
      Array.from({ length: 12 }, (_, i) => sendMessage(port, { from: "", to: `x${i}@p.example` })),
    );
    const lines = () =>
      existsSync(join(out, "log")) ? readFileSync(join(out, "log"), "utf8").trimEnd().split("\n") : [];
    await until(() => `24 lines, ${lines().length} are there:\n${server!.log()}`, () => lines().length >= 24);
    expect(lines()).toEqual(Array.from({ length: 24 }, (_, i) => i % 2 === 0 ? "start" : "end"));
  },
);

asRoot(
  "tables that only root may read serve the workers, as Postfix's daemons open theirs before they give up root",
  async () => {
    const path = folder(0, 0, 0o700);
    writeFileSync(join(path, "domains"), "secret.example x\n", { mode: 0o600 });
    writeFileSync(join(path, "rules"), "/^x@/ REJECT a secret rule\n", { mode: 0o600 });
    writeFileSync(join(path, "main.cf"), "");
    const made = await runMta(["-c", path, "postmap", `hash:${join(path, "domains")}`]);
    expect([made.code, made.stderr]).toEqual([0, ""]);
    server = await startServer({
      mainCf: [
        `secrets = ${path}`,
        "mynetworks =",
        "relay_domains = hash:$secrets/domains",
        "smtpd_sender_restrictions = check_sender_access regexp:${secrets}/rules",
        "relay_recipient_maps =",
      ],
    });
    const rcpt = async (from: string, to: string) => {
      const client = await talk(server!.port);
      await client.say("EHLO client.example");
      await client.say(`MAIL FROM:<${from}>`);
      const reply = await client.say(`RCPT TO:<${to}>`);
      client.end();
      return reply;
    };
    expect(await rcpt("a@b.example", "x@secret.example")).toBe("250 2.1.5 Ok");
    expect(await rcpt("a@b.example", "x@other.example")).toEndWith("Relay access denied");
    expect(await rcpt("x@b.example", "x@secret.example")).toEndWith("Sender address rejected: a secret rule");
    expect(server.log()).not.toContain("Permission denied");
    writeFileSync(join(path, "domains"), "other.example x\n", { mode: 0o600 });
    await server.logged(/table \S+domains has changed -- restarting the workers/);
    // Whoever meets a worker that is about to go is sent away for a moment.
    const eventually = async (to: string, end: string) => {
      let reply = "";
      await until(() => `${end}, not ${reply}`, async () => {
        reply = await rcpt("a@b.example", to).catch(() => "");
        return reply.endsWith(end);
      });
      return reply;
    };
    expect(await eventually("x@other.example", "2.1.5 Ok")).toBe("250 2.1.5 Ok");
    expect(await eventually("x@secret.example", "access denied")).toEndWith("Relay access denied");
  },
);
