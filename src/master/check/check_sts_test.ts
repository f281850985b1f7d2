import { expect, test } from "bun:test";
import { configurationOf } from "../../../test/kit/memory/memory_smtpd.ts";
import type { DnsAnswer } from "../../dns/answer.ts";
import { checkSts } from "./check_sts.ts";

const MAIN = {
  myhostname: "mail.example.com",
  mta_sts_domains: "example.com",
  mta_sts_mode: "enforce",
};
const RIGHT = "v=STSv1; id=1;";

async function findings(
  main: Readonly<Record<string, string>>,
  txt: readonly string[],
  mx: readonly string[],
) {
  const none = { is: "nodata", authentic: false } as const;
  const of = { canonical: "x", authentic: false };
  const found = await checkSts(configurationOf({ ...MAIN, ...main }), {
    txt: (name): Promise<DnsAnswer<"TXT">> => {
      const records = txt.map((text) => ({ type: "TXT" as const, name, ttl: 1, text }));
      return Promise.resolve(records.length === 0 ? none : { is: "records", records, ...of });
    },
    mx: (name): Promise<DnsAnswer<"MX">> => {
      const records = mx.map((exchange) => ({ type: "MX" as const, name, ttl: 1, preference: 1, exchange }));
      return Promise.resolve(records.length === 0 ? none : { is: "records", records, ...of });
    },
  });
  return found.map(({ consequence }) => consequence!);
}

test("a policy that others find, and whose hosts take the mail, is right", async () => {
  const [missing = ""] = await findings({}, [], ["mail.example.com"]);
  expect(missing).toStartWith(
    "nobody finds the MTA-STS policy of example.com: publish _mta-sts.example.com TXT",
  );
  const record = /"(.*)"/.exec(missing)![1]!;
  expect(record).toMatch(/^v=STSv1; id=[0-9a-f]{20};$/);
  expect(await findings({}, [record], ["mail.example.com"])).toEqual([]);
  expect(await findings({ mta_sts_mode: "testing" }, [record], ["mail.example.com"])).toEqual([
    expect.stringContaining("as for another policy: publish _mta-sts.example.com TXT"),
  ]);
});

test("exchangers that it does not name are named", async () => {
  const [, text] = await findings({}, [RIGHT], ["mail.example.com", "backup.example.net"]);
  expect(text).toBe(
    "mta_sts_mx does not name backup.example.net, where the MX records of example.com send mail",
  );
});

test("without domains nothing is asked, and what is no policy is told", async () => {
  expect(await findings({ mta_sts_domains: "" }, [], [])).toEqual([]);
  expect(await findings({ mta_sts_mx: "a_b" }, [], [])).toEqual([
    'no MTA-STS policy is served: mta_sts_mx: "a_b" is no host name',
  ]);
});
