// What users of this machine hand over becomes mail, with their identity and under everybody's rules.
import { expect, setDefaultTimeout } from "bun:test";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { join } from "node:path";
import { dropFolder } from "../../../src/pickup/drop/drop_folder.ts";
import { drop, dropped, messagesIn, ONE_BOX, untilTaken } from "../../kit/drops.ts";
import { withPeers } from "../../kit/peers.ts";
import { BINARY, type Server, startServer } from "../../kit/server.ts";
import { type Account, userNamed } from "../../kit/servers/accounts.ts";
import { until } from "../../kit/waiting.ts";

setDefaultTimeout(180_000);
const { afterEach, beforeAll, test } = withPeers(import.meta.path, "dist/mta");
const { test: asRoot } = withPeers(import.meta.path, "dist/mta", "root");
let server: Server;
afterEach(async () => void await server?.stop());
let nobody: Account;
beforeAll(() => void (nobody = userNamed("nobody")));

/** Resolves with the messages when there are so many. */
async function mail(count: number): Promise<string[]> {
  await until(
    () => `${count} messages; ${server.log().slice(-3000)}`,
    () => messagesIn(server.directory).length >= count,
  );
  return messagesIn(server.directory);
}

test("a drop is taken as soon as it is whole, however seldom everything is looked at", async () => {
  server = await startServer({ mainCf: [...ONE_BOX], masterCf: ["pickup unix n - n 86400 1 pickup"] });
  for (let k = 0; k < 20; k++) {
    drop(server.queueDirectory, { sender: "ann@example.com", content: `Subject: number ${k}\n\ntext\n` });
    await mail(k + 1);
  }
  await untilTaken(server.queueDirectory);
  const [first] = messagesIn(server.directory);
  expect(first).toMatch(
    /^Return-Path: <ann@example.com>\nX-Original-To: box@example.com\nDelivered-To: box@example.com\nReceived: by mail.example.com \(mta, from userid \d+\)\n\tid \w+; .*\nSubject: number 0\nMessage-Id: <\d{14}\.\w+@mail.example.com>\nDate: .*\nFrom: ann@example.com\n\ntext\n\n$/,
  );
});

test("what is dropped while nothing runs is taken at the start, by age", async () => {
  const mainCf = [...ONE_BOX, "enable_long_queue_ids = yes"];
  server = await startServer({ mainCf });
  const { directory, queueDirectory } = server;
  await server.stop({ keep: true });
  for (let k = 0; k < 30; k++) {
    drop(queueDirectory, { sender: "", time: 1_700_000_000_000 + k, content: `Subject: ${k}\n\n` });
  }
  server = await startServer({ mainCf, directory });
  await mail(30);
  // An id of the long form tells when it was given out.
  const ids = messagesIn(directory).map((text) =>
    [/\tid (\w+);/.exec(text)![1]!, Number(/^Subject: (\d+)/m.exec(text)![1])] as const
  );
  ids.sort(([one], [other]) => one < other ? -1 : 1);
  expect(ids.map(([, number]) => number)).toEqual(Array.from({ length: 30 }, (_, k) => k));
});

asRoot("who owns the file is who sends, whatever the file says of nobody", async () => {
  server = await startServer({ mainCf: [...ONE_BOX] });
  const asNobody = [
    "setpriv",
    "--reuid",
    String(nobody.uid),
    "--regid",
    String(nobody.gid),
    "--clear-groups",
  ];
  const command = [...asNobody, BINARY, "-c", server.configDirectory, "sendmail", "-F", "No Body", "box"];
  const sent = spawnSync(command[0]!, command.slice(1), { input: "Subject: mine\n\ntext\n" });
  expect([sent.status, sent.stderr.toString()]).toEqual([0, ""]);
  const [text] = await mail(1);
  expect(text).toContain(`(mta, from userid ${nobody.uid})`);
  expect(text).toContain("Return-Path: <nobody@example.com>");
  expect(text).toContain("\nFrom: No Body <nobody@example.com>\n");
  expect(await server.logged(/pickup/)).toMatch(
    new RegExp(`pickup\\[\\d+\\]: \\w+: uid=${nobody.uid} from=<nobody>$`),
  );
});

asRoot("senders and submitters that may not are refused though their drops are good", async () => {
  server = await startServer({
    mainCf: [
      ...ONE_BOX,
      "authorized_submit_users = !daemon, static:all",
      "local_login_sender_maps = inline:{ {root = *}, {nobody = nobody@example.com} }",
    ],
  });
  const daemon = userNamed("daemon");
  const one = async (user: Account, sender: string, said: RegExp) => {
    const before = server.log().length;
    const staged = join(server.directory, "staged");
    fs.mkdirSync(join(staged, "drop"), { recursive: true });
    drop(staged, { sender });
    const [name] = dropped(staged);
    const owner = fs.statSync(dropFolder(server.queueDirectory)).gid;
    fs.chownSync(join(staged, "drop", name!), user.uid, owner);
    fs.renameSync(join(staged, "drop", name!), join(dropFolder(server.queueDirectory), name!));
    await until(
      () => `${said} in ${server.log().slice(before)}`,
      () => said.test(server.log().slice(before)),
    );
  };
  await one(
    nobody,
    "root@example.com",
    /warning: \w+: uid=65534: dropped mail is not taken: not authorized to use sender='root@example.com'/,
  );
  await one(nobody, "nobody@example.com", /uid=65534 from=<nobody@example.com>/);
  await one(
    daemon,
    "daemon@example.com",
    /uid=1: dropped mail is not taken: user daemon is not allowed to submit mail/,
  );
  expect(await mail(1)).toHaveLength(1);
});
