import { expect, test } from "bun:test";
import { configurationOf } from "../../../test/kit/memory/memory_smtpd.ts";
import { outcomeLines, testAgent } from "../../../test/kit/scenes/smtp_delivery.ts";
import { startSmtpPeer } from "../../../test/kit/servers/smtp_peer.ts";
import { createFindAddress } from "../../rewrite/find_address.ts";
import type { LocalDomains } from "../../rewrite/local_domains.ts";
import { createOpenTables } from "../../rewrite/open_tables.ts";

const MESSAGE =
  "Received: from secret.lan\r\n\tby mail.example.com\r\nX-A: 1\r\nSubject: s\r\n\r\none\r\nsecret\r\ntwo\r\n";

/** What arrives of the message, or the delivery's outcome. `chunk` is how many bytes of it come at once. */
async function arriving(program: "smtp" | "lmtp", main: Readonly<Record<string, string>>, chunk?: number) {
  const peer = await startSmtpPeer({}, {});
  const openTables = createOpenTables({
    directory: "",
    parameter: () => undefined,
    warn: () => {},
    clock: () => 0,
  });
  const { settings } = configurationOf(main);
  const find = createFindAddress(settings, { isLocal: () => false } as unknown as LocalDomains);
  const { agent, deliver } = testAgent({}, { program, settings, rewriting: { openTables, find } });
  const report = await deliver({
    nexthop: `[127.0.0.1]:${peer.port}`,
    content: MESSAGE,
    ...(chunk && { chunk }),
  });
  await agent.close();
  await peer.close();
  return peer.mails[0]?.content ?? outcomeLines(report)[0]!.replace(/\]:\d+/g, "]");
}

const CHECKS = {
  header_checks: "regexp:{{/^Received: .*secret/ IGNORE}, {/^X-A/ PREPEND X-Pre: 0}}",
  body_checks: "regexp:{{/^secret$/ REPLACE *}}",
};
const CLEAN = "X-Pre: 0\r\nX-A: 1\r\nSubject: s\r\n\r\none\r\n*\r\ntwo\r\n";

test.each(["smtp", "lmtp"] as const)(
  "%s: private headers do not leave, in whatever pieces they come",
  async (program) => {
    const main = Object.fromEntries(
      Object.entries(CHECKS).map(([name, value]) => [
        `${program}_${name}`,
        value.replaceAll("$", "$$$$"),
      ]),
    );
    expect(await arriving(program, main)).toBe(CLEAN);
    for (const chunk of [1, 7, 64]) expect(await arriving(program, main, chunk)).toBe(CLEAN);
  },
);

test("the checks of one client are not the other's", async () => {
  expect(await arriving("smtp", { lmtp_header_checks: CHECKS.header_checks })).toBe(MESSAGE);
});

test("a table in trouble keeps the mail", async () => {
  expect(await arriving("smtp", { smtp_body_checks: "fail:down" })).toBe(
    "deferred 4.3.0 127.0.0.1[127.0.0.1] (local data error while talking to 127.0.0.1[127.0.0.1])",
  );
});
