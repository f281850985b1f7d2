import { expect, test } from "bun:test";
import { memoryConnectionOf, memorySmtpd } from "../../../test/kit/memory/memory_smtpd.ts";
import { policyKit } from "../../../test/kit/policy.ts";
import type { MemoryLog } from "../../../test/kit/memory/memory_log.ts";
import { memoryLog } from "../../../test/kit/memory/memory_log.ts";
import { behindPostscreen } from "./postscreen_access.ts";

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** What a client at 192.0.2.7 hears, one line a reply, and the log. */
async function heard(list: string, action: string, more = ""): Promise<{ replies: string; log: MemoryLog }> {
  const main = `postscreen_access_list = ${list}\npostscreen_denylist_action = ${action}\n${more}`;
  const { settings, openTables, policy } = policyKit(`mydestination = example.com\n${main}`);
  const log = memoryLog();
  const access = behindPostscreen(policy, settings, openTables, log);
  const { smtpd } = memorySmtpd({}, { access, log });
  const client = memoryConnectionOf(smtpd, "192.0.2.7");
  await turn();
  for (const line of ["HELO a", "MAIL FROM:<a@a.example>", "RCPT TO:<postmaster@example.com>"]) {
    client.send(`${line}\r\n`);
    await turn();
  }
  return { replies: client.read().replace(/\r\n$/, "").replaceAll("\r\n", " / "), log };
}

const SERVED = "220 mail.example.com ESMTP mta / 250 mail.example.com / 250 2.1.0 Ok / 250 2.1.5 Ok";
const ENFORCED = SERVED.replace("250 2.1.5 Ok", "550 5.3.2 Service currently unavailable");
const DROPPED = "521 5.3.2 Service currently unavailable";

// As Postfix 3.7.11's postscreen answers them.
test.each<[string, string, string]>([
  ["static:reject", "drop", DROPPED],
  ["static:REJECT", "drop", DROPPED],
  ["reject", "drop", DROPPED],
  ["static:reject", "enforce", ENFORCED],
  ["static:reject", "ignore", SERVED],
  ["inline:{192.0.2.7=reject}", "drop", DROPPED],
  ["inline:{192.0.2.8=reject}", "drop", SERVED],
  ["inline:{{192.0.2.7=dunno,reject}}", "drop", SERVED],
  ["permit_mynetworks, static:reject", "drop", DROPPED],
  ["static:permit, static:reject", "drop", SERVED],
])("postscreen_access_list = %s, postscreen_denylist_action = %s", async (list, action, want) => {
  const { replies, log } = await heard(list, action);
  expect(replies).toBe(want);
  expect(log.lines.includes("postscreen: DENYLISTED [192.0.2.7]:40000")).toBe(
    want !== SERVED || action === "ignore",
  );
});

test("own networks pass where the list says so", async () => {
  const { replies } = await heard("permit_mynetworks, static:reject", "drop", "mynetworks = 192.0.2.0/24\n");
  expect(replies).toBe(SERVED);
});

test.each([
  ["fail:down", "fail:down: table lookup error"],
  ["static:frob", "static:frob: unknown command: frob"],
])("the rest of the list is passed over after %s, and the log says so", async (item, why) => {
  const { replies, log } = await heard(`${item}, static:reject`, "drop");
  expect(replies).toBe(SERVED);
  expect(log.lines.join("\n")).toContain(
    `postscreen: warning: postscreen_access_list: ${why} -- ignoring the remainder of this access list`,
  );
});
