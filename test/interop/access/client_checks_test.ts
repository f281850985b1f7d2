// Content checks of the SMTP client beside Postfix's: what goes out, and what the log says (header_checks(5), smtp_header_checks).
import { internalAddress } from "../../../src/address/address.ts";
import { expect } from "bun:test";
import { createFindAddress } from "../../../src/rewrite/find_address.ts";
import type { LocalDomains } from "../../../src/rewrite/local_domains.ts";
import { createOpenTables } from "../../../src/rewrite/open_tables.ts";
import { freePorts } from "../../kit/scenes/compare_scenarios.ts";
import { configurationOf } from "../../kit/memory/memory_smtpd.ts";
import { withPeers } from "../../kit/peers.ts";
import { type PostfixInstance, startPostfix } from "../../kit/servers/postfix.ts";
import { outcomeLines, testAgent } from "../../kit/scenes/smtp_delivery.ts";
import { type SmtpPeer, startSmtpPeer } from "../../kit/servers/smtp_peer.ts";

const { afterAll, beforeAll, describe, test } = withPeers(import.meta.path, "root", "postfix");

const MESSAGE = [
  "X-A: one",
  "X-B: two",
  "\tfolded",
  "From: Ann <a@example.org>",
  "Subject: s",
  "MIME-Version: 1.0",
  "Content-Type: multipart/mixed; boundary=b",
  "",
  "preamble",
  "--b",
  "Content-Type: text/plain",
  "X-Part: p",
  "",
  "body one",
  "secret line",
  "--b",
  "Content-Type: message/rfc822",
  "",
  "X-Nest: n",
  "Subject: inner",
  "",
  "inner body",
  "--b--",
  "",
].join("\r\n");

const MIME = "/^(Content-Type|X-Part|X-Nest|MIME|Subject)/";

const ROWS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "a header is replaced": { smtp_header_checks: "regexp:{{/^X-A:/ REPLACE X-New: 1}}" },
  "a header is left out": { smtp_header_checks: "regexp:{{/^X-B:/ IGNORE}}" },
  "a header is left out, with a line in the log": { smtp_header_checks: "regexp:{{/^X-B:/ STRIP why}}" },
  "a header is put before another": { smtp_header_checks: "regexp:{{/^X-B:/ PREPEND X-Pre: 1}}" },
  "headers are only noted": {
    smtp_header_checks: "regexp:{{/^X-B:/ WARN careful}, {/^X-A:/ INFO hey}, {/^Subject/ WARN}}",
  },
  "nothing happens": { smtp_header_checks: "regexp:{{/^X-B:/ DUNNO}, {/^X-A:/ OK}}" },
  "what refuses on the way in changes nothing on the way out": {
    smtp_header_checks:
      "regexp:{{/^X-A:/ REJECT no}, {/^X-B:/ HOLD}, {/^Subject/ DISCARD}, {/^From/ FILTER smtp:x}}",
  },
  "other words change nothing": {
    smtp_header_checks: "regexp:{{/^X-A:/ FROB}, {/^X-B:/ REPLACE}, {/^Subject/ BCC a@b}}",
  },
  "MIME headers are not the header table's": { smtp_header_checks: `regexp:{{${MIME} PREPEND X-H: h}}` },
  "headers of parts and of MIME are the MIME table's": {
    smtp_mime_header_checks: `regexp:{{${MIME} PREPEND X-M: m}}`,
  },
  "headers of attached messages have a table": {
    smtp_nested_header_checks: `regexp:{{${MIME} PREPEND X-N: n}}`,
  },
  "body lines are replaced": { smtp_body_checks: "regexp:{{/^(secret|preamble|inner)/ REPLACE *}}" },
  "body lines are left out": { smtp_body_checks: "regexp:{{/^(secret|preamble)/ IGNORE}}" },
  "a body line is put before another": { smtp_body_checks: "regexp:{{/^secret/ PREPEND two}}" },
  "what refuses a body on the way in changes nothing on the way out": {
    smtp_body_checks: "regexp:{{/^secret/ REJECT two}}",
  },
  "addresses are mapped after the checks": {
    smtp_header_checks: "regexp:{{/^From: .*a@example/ PREPEND X-Seen: yes}}",
    smtp_generic_maps: "static:gen@example.net",
  },
  "a table in trouble keeps the mail": { smtp_header_checks: "fail:down" },
};

/** What a client did: what arrived (without Received), and its lines about content. */
interface Sent {
  readonly content: string | undefined;
  readonly lines: readonly string[];
}

function linesAbout(log: string): string[] {
  return log.split("\n").filter((line) => /^(?:warning|[0-9A-Za-z]+): /.test(line) && !/: to=</.test(line))
    .map((line) => line.replace(/\b[0-9A-F]{9,}\b/g, "ID").replace(/"(?:Received|X-A): [^"]*".*/, '"..."'));
}

async function ours(settings: Readonly<Record<string, string>>, peer: SmtpPeer): Promise<Sent> {
  peer.mails.length = 0;
  const openTables = createOpenTables({
    directory: "",
    parameter: () => undefined,
    warn: () => {},
    clock: () => 0,
  });
  const configured = configurationOf(settings).settings;
  const find = createFindAddress(configured, { isLocal: () => false } as unknown as LocalDomains);
  const { agent, deliver, lines } = testAgent({}, { settings: configured, rewriting: { openTables, find } });
  const report = await deliver({
    nexthop: `[127.0.0.1]:${peer.port}`,
    content: MESSAGE,
    sender: internalAddress(""),
  });
  await agent.close();
  const log = lines.map((line) => line.replace(/^smtp: /, "").replaceAll(/[\n\t]/g, "?")).join("\n");
  return {
    content: peer.mails[0]?.content,
    lines: [...linesAbout(log), ...peer.mails.length > 0 ? [] : outcomeLines(report).map(withoutPort)],
  };
}

const withoutPort = (line: string) => line.replace(/\]:\d+/g, "]");

describe("content checks of the client", () => {
  const names = Object.keys(ROWS);
  const peers: SmtpPeer[] = [];
  let postfix: PostfixInstance;
  let port: number;

  beforeAll(async () => {
    for (const _ of names) peers.push(await startSmtpPeer({}, {}));
    [port] = await freePorts(1) as [number];
    const transports = names.map((name, i) =>
      `check${i} unix - - n - - smtp -o syslog_name=row${i}` +
      Object.entries(ROWS[name]!).map(([key, value]) => ` -o { ${key} = ${value.replaceAll("$", "$$$$")} }`)
        .join("") +
      "\n"
    );
    postfix = await startPostfix({
      main: {
        transport_maps: "texthash:$config_directory/transport",
        smtpd_relay_restrictions: "permit_mynetworks, reject",
        local_header_rewrite_clients: "",
        smtpd_peername_lookup: "no",
      },
      master: `127.0.0.1:${port} inet n - n - - smtpd\n${transports.join("")}`,
      files: {
        transport: names.map((_, i) => `r${i}.example check${i}:[127.0.0.1]:${peers[i]!.port}\n`).join(""),
      },
    });
    const submitter = testAgent();
    await submitter.deliver({
      nexthop: `[127.0.0.1]:${port}`,
      content: MESSAGE,
      sender: internalAddress(""),
      to: names.map((_, i) => `bob@r${i}.example`),
    });
    await submitter.agent.close();
    for (const [i] of names.entries()) await postfix.waitForLog(new RegExp(`row${i}/smtp.*status=`));
  }, 180_000);

  afterAll(async () => {
    await postfix?.stop();
    for (const peer of peers) await peer.close();
  });

  function theirs(i: number): Sent {
    const log = postfix.log().split("\n").filter((line) => line.includes(` row${i}/smtp[`))
      .map((line) => line.replace(/^.*? row\d+\/smtp\[\d+\]: /, ""));
    const content = peers[i]!.mails[0]?.content.replace(/^Received: [^]*?\r\n(?=\S)/, "");
    const failed = log.flatMap((line) =>
      /relay=(\S+), .*dsn=(\S+), status=(\S+) \((.*)\)/.exec(line)?.slice(1) === undefined ||
        content !== undefined
        ? []
        : [line.replace(/^.*relay=(\S+), .*dsn=(\S+), status=(\S+) \((.*)\)$/, "$3 $2 $1 ($4)")]
    );
    return { content, lines: [...linesAbout(log.join("\n")), ...failed.map(withoutPort)] };
  }

  test.each(names.map((name, i) => [name, i] as const))("%s", async (name, i) => {
    const want = theirs(i);
    expect(await ours(ROWS[name]!, peers[i]!)).toEqual(want);
  });
});
