// DANE (RFC 7672): mail for domains of a signed tree of zones, by our client and by Postfix's, with the same validating resolver.
import { internalAddress } from "../../../src/address/address.ts";
import { expect } from "bun:test";
import { createValidatedResolver } from "../../../src/dns/system_resolver.ts";
import { createResolver } from "../../../src/dns/resolver.ts";
import { DANE_PORT, type Fate, placedScenes } from "../../kit/scenes/dane_scenes.ts";
import { outcomeLines, testAgent } from "../../kit/scenes/smtp_delivery.ts";
import { withPeers } from "../../kit/peers.ts";
import { type DaneWorld, type LiveScene, startDaneWorld } from "../../kit/servers/dane_world.ts";
import { startMailSystem } from "../../kit/servers/mail_system.ts";
import { talk } from "../../kit/talk.ts";
import { until } from "../../kit/waiting.ts";
import { type PostfixInstance, startPostfix } from "../../kit/servers/postfix.ts";

const { afterAll, beforeAll, describe, test } = withPeers(
  import.meta.path,
  "knot",
  "ldns",
  "openssl",
  "postfix",
  "root",
  "unbound",
);

const RESOLVER = "127.0.0.91";
const SUBMISSION_PORT = 24876;

/** What came of a scene: the client's log lines, the outcome, and the name that the exchanger was asked for. */
interface Result {
  readonly lines: readonly string[];
  readonly outcome: string;
  readonly serverNames: readonly string[];
}

const programOf = ({ scene }: Pick<LiveScene, "scene">) => scene.lmtp ? "lmtp" : "smtp";

const settingsOf = (live: Pick<LiveScene, "scene">): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(smtpSettings(live)).map(([name, value]) =>
      [programOf(live) === "lmtp" ? name.replace(/^smtp_/, "lmtp_") : name, value] as const
    ).filter(([name]) => name !== "lmtp_tls_dane_insecure_mx_policy"),
  );

const smtpSettings = ({ scene }: Pick<LiveScene, "scene">) => ({
  smtp_tls_security_level: scene.level ?? "dane",
  smtp_dns_support_level: "dnssec",
  smtp_tls_loglevel: "summary,certmatch",
  smtp_tls_fingerprint_digest: "sha256",
  smtp_tls_dane_insecure_mx_policy: "dane",
  ...scene.settings,
});

/** Lines as both write them: the negotiated cipher is the libraries' affair, and Postfix asks twice for what is bogus. */
function plain(lines: readonly string[]): readonly string[] {
  const bare = lines.map((line) =>
    line.replace(/^.*?postfix\/[sl]mtp\[\d+\]: |^[sl]mtp: /, "").replace(/^[0-9A-F]{9,12}: /, "ID: ").replace(
      /^(\w+ TLS connection established to \S+): .*/,
      "$1",
    )
  );
  // The resolver turns the order of records round.
  const unusable = bare.filter((line) => line.includes("unusable TLSA RR")).sort();
  return bare.filter((line, at) => line !== "" && line !== bare[at - 1])
    .map((line) => line.includes("unusable TLSA RR") ? unusable.shift()! : line);
}

function fateOf({ outcome, lines, serverNames }: Result): Fate {
  if (!outcome.startsWith("sent")) return "waits";
  const trust = [...lines.join("\n").matchAll(/(\w+) TLS connection established/g)].at(-1)?.[1];
  if (trust === undefined) return serverNames.length > 0 ? "under TLS, unlogged" : "in the clear";
  return trust === "Verified" ? "verified" : trust === "Trusted" ? "trusted" : "encrypted";
}

let world: DaneWorld;
let postfix: PostfixInstance;

beforeAll(async () => {
  world = await startDaneWorld(RESOLVER);
  const client = (scene: LiveScene, i: number) => {
    const options = Object.entries(settingsOf(scene)).map(([name, value]) => ` -o {${name}=${value}}`);
    return `d${i} unix - - n - - ${programOf(scene)}${options.join("")}\n`;
  };
  postfix = await startPostfix({
    nameServer: RESOLVER,
    main: {
      transport_maps: "texthash:$config_directory/transport",
      smtpd_relay_restrictions: "permit_mynetworks, reject",
      notify_classes: "",
      smtp_connection_cache_on_demand: "no",
    },
    master: `127.0.0.1:${SUBMISSION_PORT} inet n - n - - smtpd\n${world.scenes.map(client).join("")}`,
    files: {
      transport: world.scenes.map(({ nexthop }, i) => `t${i}.example.net d${i}:${nexthop}\n`).join(""),
    },
  });
}, 60_000);
afterAll(async () => {
  await postfix?.stop();
  await world?.stop();
});

/** Mail of nobody, so that no notice of a failure mixes its lines in. */
const mail = (nexthop: string, i: number) => ({
  nexthop,
  to: [`bob@t${i}.example.net`],
  sender: internalAddress(""),
});

async function byPostfix({ peer }: LiveScene, i: number): Promise<Result> {
  const submitter = testAgent();
  const before = postfix.log().length;
  const report = await submitter.deliver(mail(`[127.0.0.1]:${SUBMISSION_PORT}`, i));
  await submitter.agent.close();
  const id = /queued as (\w+)/.exec(report.outcomes[0]!.detail.text)![1]!;
  const log = (await postfix.waitForLog(new RegExp(`${id}: to=.*status=`))).slice(before);
  const line = new RegExp(`${id}: to=.*relay=(.*?), delay=.*dsn=([\\d.]+), status=(\\w+) \\((.*)\\)$`, "m")
    .exec(log)!;
  const said = log.split("\n").filter((text) => /postfix\/[sl]mtp\[/.test(text) && !/: to=</.test(text));
  const outcome = `${line[3]} ${line[2]} ${line[1]} (${line[4]})`;
  return { lines: plain(said), outcome, serverNames: peer.serverNames.splice(0) };
}

async function byOurs({ peer, nexthop, scene }: LiveScene, i: number): Promise<Result> {
  const settings = Object.entries(settingsOf({ scene })).map(([name, value]) =>
    [name, value === "yes" ? true : value] as const
  );
  const agent = testAgent(Object.fromEntries(settings), {
    program: programOf({ scene }),
    resolver: createResolver({ servers: [{ host: RESOLVER, port: 53 }] }),
    validatedResolver: () => createValidatedResolver({ servers: [RESOLVER], trustAd: false }),
  });
  const report = await agent.deliver(mail(nexthop, i));
  await agent.agent.close();
  return {
    lines: plain(agent.lines),
    outcome: outcomeLines(report)[0]!,
    serverNames: peer.serverNames.splice(0),
  };
}

describe("DANE, by our client and by Postfix's", () => {
  for (const [i, { name, scene }] of placedScenes().entries()) {
    test(`${name}: ${scene.want}`, async () => {
      const live = world.scenes[i]!;
      const theirs = await byPostfix(live, i);
      const ours = await byOurs(live, i);
      expect(ours).toEqual(theirs);
      expect(fateOf(ours)).toBe(scene.want);
    }, 90_000);
  }
});

test(
  "the whole mail path sends by DANE, with the resolver that main.cf names, as a policy table says",
  async () => {
    const [first] = world.scenes;
    const system = await startMailSystem({
      myhostname: "mail.example.org",
      mydestination: "",
      mynetworks: "127.0.0.0/8",
      inet_interfaces: "127.0.0.1",
      inet_protocols: "ipv4",
      smtpd_relay_restrictions: "permit_mynetworks, reject",
      relayhost: first!.nexthop,
      dns_servers: RESOLVER,
      dnssec_probe: "ns:.",
      smtp_tls_policy_maps: `inline:{ {${first!.nexthop}=dane-only} }`,
      smtp_tls_security_level: "may",
      smtp_dns_support_level: "dnssec",
      smtp_tls_loglevel: "1",
    }, "/nonexistent");
    try {
      const session = await talk(system.port);
      for (
        const line of [
          "EHLO c.example",
          "MAIL FROM:<>",
          "RCPT TO:<bob@elsewhere.example>",
          "DATA",
          "Subject: x\r\n\r\n.",
        ]
      ) {
        expect(await session.say(line)).toMatch(/^[23]/);
      }
      session.end();
      const lines = () => system.log.lines.join("\n");
      await until("the mail is sent", () => /status=(?:sent|deferred)/.test(lines()));
      expect(lines()).toContain(
        `Verified TLS connection established to ${first!.host}[${first!.address}]:${DANE_PORT}: TLSv1.3`,
      );
      expect(lines()).toContain("status=sent");
      expect(lines()).not.toContain("DNSSEC validation may be unavailable");
    } finally {
      await system.stop();
    }
  },
  90_000,
);
