import { expect, test } from "bun:test";
import { memoryLog } from "../../../test/kit/memory/memory_log.ts";
import { memoryConnectionOf, memorySmtpd } from "../../../test/kit/memory/memory_smtpd.ts";
import { policyKit } from "../../../test/kit/policy.ts";
import type { Resolver } from "../../dns/resolver.ts";
import { behindPostscreen } from "./postscreen_access.ts";
import { openPostscreenLists } from "./postscreen_dnsbl.ts";

/** Lists by the name that is asked for: an address, or a list that does not answer. */
const ZONES: Readonly<Record<string, string>> = {
  "7.2.0.192.spam.example": "127.0.0.2",
  "7.2.0.192.key.secret.example": "127.0.0.4",
  "7.2.0.192.good.example": "127.0.0.9",
  "7.2.0.192.down.example": "trouble",
};

const resolver = {
  query: (name: string) => {
    const address = ZONES[name];
    if (address === undefined) return Promise.resolve({ is: "nxdomain", authentic: false });
    if (address === "trouble") return Promise.resolve({ is: "trouble", why: "SERVFAIL", retry: true });
    const records = [{ type: "A", name, ttl: 60, address }];
    return Promise.resolve({ is: "records", records, canonical: name, authentic: false });
  },
} as unknown as Pick<Resolver, "query">;

const turn = () => new Promise<void>((resolve) => setTimeout(resolve, 0));

/** What a client at 192.0.2.7 hears, and the log's line about lists. */
async function heard(
  sites: string,
  action: string,
  more = "",
): Promise<{ replies: string; log: string | undefined }> {
  const main = `postscreen_dnsbl_sites = ${sites}\npostscreen_dnsbl_action = ${action}\n${more}`;
  const { settings, openTables, policy } = policyKit(`mydestination = example.com\n${main}`);
  const log = memoryLog();
  const lists = openPostscreenLists(settings, openTables, resolver);
  const access = behindPostscreen(policy, settings, openTables, log, lists);
  const { smtpd } = memorySmtpd({}, { access, log });
  const client = memoryConnectionOf(smtpd, "192.0.2.7");
  for (let i = 0; i < 5; i++) await turn();
  for (const line of ["HELO a", "MAIL FROM:<a@a.example>", "RCPT TO:<postmaster@example.com>"]) {
    client.send(`${line}\r\n`);
    await turn();
  }
  const replies = client.read().replace(/\r\n$/, "").replaceAll("\r\n", " / ");
  return { replies, log: log.lines.find((line) => line.includes("DNSBL")) };
}

const SERVED = "220 mail.example.com ESMTP mta / 250 mail.example.com / 250 2.1.0 Ok / 250 2.1.5 Ok";
const blocked = (code: number, using: string) =>
  `${code} 5.7.1 Service unavailable; client [192.0.2.7] blocked using ${using}`;
const enforced = (using: string) => SERVED.replace("250 2.1.5 Ok", blocked(550, using));

const ROWS: readonly (readonly [string, string, string, string?])[] = [
  ["spam.example", "drop", blocked(521, "spam.example")],
  ["spam.example", "enforce", enforced("spam.example")],
  ["spam.example", "ignore", SERVED],
  ["clean.example", "drop", SERVED],
  ["down.example", "drop", SERVED],
  ["spam.example=127.0.0.2", "drop", blocked(521, "spam.example")],
  ["spam.example=127.0.0.[3..9]", "drop", SERVED],
  ["spam.example*2, good.example*-1", "drop", SERVED, "postscreen_dnsbl_threshold = 2\n"],
  [
    "spam.example, key.secret.example*2",
    "drop",
    blocked(521, "key.secret.example"),
    "postscreen_dnsbl_threshold = 3\n",
  ],
  [
    "key.secret.example",
    "drop",
    blocked(521, "lists.example"),
    "postscreen_dnsbl_reply_map = inline:{key.secret.example=lists.example}\n",
  ],
  ["spam.example", "drop", SERVED, "postscreen_access_list = static:permit\n"],
];

// As Postfix 3.7.11's postscreen answers them.
test.each(ROWS.map(([sites, action, want, more = ""]) => ({ sites, action, want, more })))(
  "postscreen_dnsbl_sites = $sites, action $action $more",
  async ({ sites, action, want, more }) => {
    expect((await heard(sites, action, more)).replies).toBe(want);
  },
);

test("the log tells the rank", async () => {
  const { log } = await heard("spam.example*2, key.secret.example*3", "ignore");
  expect(log).toBe("postscreen: DNSBL rank 5 for [192.0.2.7]:40000");
});

test.each(["spam.example=127.0.0", "spam.example*x", "*3"])(
  "a list that cannot be read is refused: %s",
  async (sites) => {
    await expect(heard(sites, "drop")).rejects.toThrow(`bad postscreen_dnsbl_sites item "${sites}"`);
  },
);
