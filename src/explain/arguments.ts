import { canonicalIp } from "../address/ip.ts";
import { ExplainFault, type ExplainOptions, type SessionDescription } from "./session_description.ts";

/** What `mta explain` is asked to do. */
export interface ExplainRequest extends ExplainOptions {
  readonly session: SessionDescription;
  readonly running: boolean;
  readonly json: boolean;
}

/** `mta explain --help`. */
export const EXPLAIN_HELP = `usage: mta [-c config_dir] [-v] explain --client ADDR[,NAME] [options]
Plays a session through the server's own access policy and says why it ends as
it does. Nothing is sent, queued, counted or logged.
  --client ADDR[,NAME]  the client; without NAME the DNS is asked; NAME may be
                        "unknown"
  --reverse-name NAME   its PTR name, where that does not lead back to it
  --helo NAME           what it says in EHLO (--smtp: HELO); --port NUMBER
  --from ADDR           envelope sender; "" is the null sender
  --to ADDR             recipient; give it again for more
  --size BYTES          size of the message; --etrn DOMAIN  ETRN instead of mail
  --sasl-user NAME      it has logged in; --sasl-method NAME  how (PLAIN)
  --tls                 it has started TLS; --cipher NAME  with this cipher
  --ccert FINGERPRINT   and sent a certificate; more of it with --ccert-trusted,
                        --ccert-key FINGERPRINT, --ccert-subject NAME
  --service NAME        as master.cf has it, the first smtpd if not given
  --running             ask the running service, with what it has loaded
  --ask-policy          really ask policy servers; --no-dns  ask no name server
  --no-edits            do not look for the edit that turns the outcome round
  --json                one JSON object; -v before "explain": every lookup
Exit status: 0 accepted, 1 rejected (5xx), 2 deferred (4xx), 64 wrong usage,
69 no running service, 75 no answer, 78 the configuration cannot be loaded.
`;

const FLAGS = [
  "smtp",
  "tls",
  "ccert-trusted",
  "running",
  "ask-policy",
  "no-dns",
  "no-edits",
  "json",
] as const;
const VALUES = [
  "client",
  "reverse-name",
  "helo",
  "port",
  "from",
  "size",
  "etrn",
  "sasl-user",
  "sasl-method",
  "cipher",
  "ccert",
  "ccert-key",
  "ccert-subject",
  "service",
] as const;

type Flag = (typeof FLAGS)[number];
type Value = (typeof VALUES)[number];

interface Given {
  readonly flags: Set<Flag>;
  readonly values: Map<Value, string>;
  readonly to: string[];
}

/** Reads the arguments; throws ExplainFault when they make no session. */
export function parseExplain(args: readonly string[]): ExplainRequest | "help" {
  if (args.some((arg) => arg === "--help" || arg === "-h")) return "help";
  const given = gather(args);
  const { flags } = given;
  return {
    session: sessionOf(given),
    running: flags.has("running"),
    json: flags.has("json"),
    dns: !flags.has("no-dns"),
    askPolicy: flags.has("ask-policy"),
    edits: !flags.has("no-edits"),
  };
}

function gather(args: readonly string[]): Given {
  const given: Given = { flags: new Set(), values: new Map(), to: [] };
  for (let at = 0; at < args.length; at++) {
    const arg = args[at]!;
    const equals = arg.indexOf("=");
    const name = arg.slice(2, equals < 0 ? undefined : equals);
    const flag = FLAGS.find((each) => arg === `--${each}`);
    if (flag !== undefined) {
      given.flags.add(flag);
      continue;
    }
    const value = VALUES.find((each) => arg.startsWith("--") && each === name);
    if (value === undefined && !(arg.startsWith("--") && name === "to")) {
      throw new ExplainFault(`unknown argument: "${arg}"`);
    }
    const text = equals < 0 ? args[++at] : arg.slice(equals + 1);
    if (text === undefined) throw new ExplainFault(`--${name} wants a value`);
    if (value === undefined) given.to.push(bare(text));
    else given.values.set(value, text);
  }
  return given;
}

/** An address without the brackets that it may be copied with. */
function bare(address: string): string {
  return address.startsWith("<") && address.endsWith(">") ? address.slice(1, -1) : address;
}

function numberOf(given: Given, name: "port" | "size", fallback: number): number {
  const text = given.values.get(name);
  if (text === undefined) return fallback;
  if (!/^\d{1,15}$/.test(text)) throw new ExplainFault(`--${name}: "${text}" is no number`);
  return Number(text);
}

function clientOf(given: Given): SessionDescription["client"] {
  const text = given.values.get("client");
  if (text === undefined) throw new ExplainFault("--client ADDR is missing");
  const comma = text.indexOf(",");
  const written = comma < 0 ? text : text.slice(0, comma);
  const address = canonicalIp(written.replace(/^\[(?:ipv6:)?(.*)\]$/i, "$1"));
  if (address === undefined) throw new ExplainFault(`--client: "${written}" is no IP address`);
  const reverseName = given.values.get("reverse-name");
  const name = comma < 0 ? reverseName === undefined ? undefined : "unknown" : text.slice(comma + 1);
  return {
    address,
    port: numberOf(given, "port", 40_000),
    ...(name !== undefined && { name }),
    ...(reverseName !== undefined && { reverseName }),
  };
}

function sessionOf(given: Given): SessionDescription {
  const { flags, values, to } = given;
  const [from, helo, etrn, service] = (["from", "helo", "etrn", "service"] as const).map((name) =>
    values.get(name)
  );
  const username = values.get("sasl-user");
  const tls = tlsOf(given);
  return {
    client: clientOf(given),
    recipients: to,
    ...(service !== undefined && { service }),
    ...(helo !== undefined && { helo }),
    ...(flags.has("smtp") && { smtp: true }),
    ...(from !== undefined && { sender: bare(from) }),
    ...(etrn !== undefined && { etrn }),
    ...(values.has("size") && { size: numberOf(given, "size", 0) }),
    ...(username !== undefined && { login: { username, method: values.get("sasl-method") ?? "PLAIN" } }),
    ...(tls !== undefined && { tls }),
  };
}

function tlsOf({ flags, values }: Given): SessionDescription["tls"] {
  const [ccert, key, subject] = (["ccert", "ccert-key", "ccert-subject"] as const).map((name) =>
    values.get(name)
  );
  const certified = ccert !== undefined || key !== undefined || subject !== undefined ||
    flags.has("ccert-trusted");
  if (!flags.has("tls") && !values.has("cipher") && !certified) return undefined;
  const cipher = values.get("cipher") ?? "TLS_AES_256_GCM_SHA384";
  const encryption = { protocol: "TLSv1.3", cipher, keysize: cipher.includes("128") ? 128 : 256 };
  if (!certified) return encryption;
  const peer = {
    trusted: flags.has("ccert-trusted"),
    fingerprint: ccert ?? "",
    publicKeyFingerprint: key ?? "",
    subject: subject ?? "",
    issuer: "",
  };
  return { ...encryption, peer };
}
