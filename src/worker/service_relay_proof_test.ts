import { expect, test } from "bun:test";
import { fakeUsers, fakeWorld } from "../../test/kit/memory/config_world.ts";
import { printDiagnostic } from "../config/syntax/diagnostic.ts";
import { loadConfiguration } from "../config/load.ts";
import { proveServices, type RelayFinding } from "./service_relay_proof.ts";

const MAIN = `compatibility_level = 3.6
myhostname = mx.example.com
mydestination = example.com
mynetworks = 127.0.0.0/8
`;
const OPEN = "smtpd_relay_restrictions=check_sender_access,static:OK,reject";
const GATEWAY = {
  "/.dockerenv": "",
  "/proc/net/route": "eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n",
};

function sourceOf(main: string, master: string, files: Readonly<Record<string, string>> = {}) {
  const texts = { "/etc/mta/main.cf": MAIN + main, "/etc/mta/master.cf": master };
  return { directory: "/etc/mta", world: fakeWorld({ ...files, ...texts }), users: fakeUsers };
}

async function findings(
  main: string,
  master = "smtp inet n - n - - smtpd\n",
  files: Readonly<Record<string, string>> = {},
): Promise<RelayFinding[]> {
  const source = sourceOf(main, master, files);
  const loaded = loadConfiguration(source);
  if (loaded.is === "bad") throw new Error(loaded.errors.map(printDiagnostic).join("\n"));
  return await proveServices(loaded.configuration, source.world);
}

test("each service is judged by its own settings, and named with its line", async () => {
  const master = `smtp inet n - n - - smtpd\n192.0.2.10:26 inet n - n - - smtpd -o ${OPEN}\n`;
  const found = await findings("", master);
  expect(found.map(({ level }) => level)).toEqual(["fatal"]);
  expect(found[0]!.text).toStartWith("service 192.0.2.10:26/inet (master.cf, line 2): open relay:");
});

test("allow_open_relay counts for the service that says so", async () => {
  const master =
    `smtp inet n - n - - smtpd -o ${OPEN} -o allow_open_relay=yes\n26 inet n - n - - smtpd -o ${OPEN}\n`;
  expect((await findings("", master)).map(({ level }) => level)).toEqual(["warning", "fatal"]);
});

test("a service on loopback addresses alone is out of strangers' reach", async () => {
  expect(
    await findings(
      "",
      `127.0.0.1:26 inet n - n - - smtpd -o ${OPEN}\n[::1]:26 inet n - n - - smtpd -o ${OPEN}\n`,
    ),
  )
    .toEqual([]);
});

test("a proxy brings strangers to loopback addresses too", async () => {
  const proxied = `-o smtpd_upstream_proxy_protocol=haproxy -o ${OPEN}`;
  const screened = "127.0.0.1:27 inet n - n - 1 postscreen -o postscreen_upstream_proxy_protocol=haproxy";
  const found = await findings(
    "",
    `127.0.0.1:26 inet n - n - - smtpd ${proxied}\n${screened}\nsmtpd pass - - n - - smtpd -o ${OPEN}\n`,
  );
  expect(found.map(({ level, text }) => `${level}: ${text.split(":").slice(0, 2).join(":")}`)).toEqual([
    "fatal: service 127.0.0.1:26/inet (master.cf, line 1)",
    "fatal: service smtpd/pass (master.cf, line 3): open relay",
  ]);
});

test("what is behind postscreen is judged through its door", async () => {
  const master = `smtp inet n - n - 1 postscreen\nsmtpd pass - - n - - smtpd -o ${OPEN}\n`;
  expect((await findings("", master)).map(({ text }) => text.split(":")[0])).toEqual([
    "service smtpd/pass (master.cf, line 2)",
  ]);
});

test("a named recipient is a warning, unless our domains stand where nobody asks", async () => {
  const list = `smtpd_relay_restrictions =
smtpd_recipient_restrictions = check_recipient_access inline:{virtual.example=OK}, reject
`;
  expect((await findings(list)).map(({ level }) => level)).toEqual(["warning"]);
  const unknown = `${list}virtual_mailbox_domains = proxy:mysql:/etc/mta/domains.cf\n`;
  expect((await findings(unknown)).map(({ level }) => level)).toEqual(["info"]);
});

test("entries past the third are counted", async () => {
  const clients = Array.from({ length: 5 }, (_, at) => `192.0.2.${at}=OK`).join(",");
  const found = await findings(`smtpd_relay_restrictions =
smtpd_recipient_restrictions = check_client_access inline:{${clients}}, reject
`);
  expect(found).toHaveLength(1);
  expect(found[0]!.text).toEndWith("192.0.2.2 OK; and 2 more");
});

test("a service that is closed for want of any refusal still has its witness", async () => {
  const [witness] = await findings("smtpd_relay_restrictions =\n");
  expect(witness).toMatchObject({ level: "fatal", service: "smtp/inet" });
  expect(witness?.text).toContain("RCPT TO:<victim@elsewhere.example>  is accepted");
  expect(witness?.text).toEndWith("allow_open_relay = yes would serve it all the same");
});

test("a gateway that a table of mynetworks contains is not trusted, with a warning", async () => {
  const table = "mynetworks = cidr:{{172.17.0.0/16 x}}\n";
  expect((await findings(table, undefined, GATEWAY)).map(({ text }) => text.split(":")[0])).toEqual([
    "mynetworks contains 172.17.0.1, this container's default gateway",
  ]);
  expect(await findings("mynetworks = cidr:{{172.18.0.0/16 x}}\n", undefined, GATEWAY)).toEqual([]);
  expect(await findings(`${table}trust_container_gateway = yes\n`, undefined, GATEWAY)).toEqual([]);
});
