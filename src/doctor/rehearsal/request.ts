import { splitAddress } from "../../address/address.ts";
import { asciiDomain } from "../../address/idna.ts";
import { isAsciiHostname } from "../../address/hostname.ts";
import { canonicalIp } from "../../address/ip.ts";

/** What `mta rehearse` is asked. */
export interface RehearsalRequest {
  /** As given. */
  readonly sender: string;
  /** Its domain: lower case, A-labels. */
  readonly domain: string;
  /** Addresses that receivers see, where the operator says so. */
  readonly addresses: readonly string[];
  /** A receiver to connect to; undefined: nobody is. */
  readonly to: string | undefined;
  /** A file with a message as it would be sent. */
  readonly message: string | undefined;
  /** It goes to many. */
  readonly bulk: boolean;
  /** Lists of the DNS to ask about our addresses. */
  readonly lists: readonly string[];
  readonly json: boolean;
}

/** The words make no request: wrong usage. */
export class RequestFault extends Error {
  override readonly name = "RequestFault";
}

/** `mta rehearse --help`. */
export const REHEARSE_HELP = `usage: mta [-c config_dir] rehearse ADDRESS [options]

Walks what a large receiver checks of mail from ADDRESS, with the record to
publish where one is missing: MX of the domain, the address we send from, its
name (PTR) and back, HELO, TLS, SPF, DKIM keys, DMARC. Nothing is sent.

  --ip ADDR        the address that receivers see, where this machine cannot
                   know it (behind NAT, or by a relay); again for more
  --message FILE   also look at this message: fields, lines, size; for bulk
                   mail the one-click unsubscribe (RFC 8058)
  --bulk           it goes to many: what is then demanded counts
  --to ADDRESS     also connect to a server of this one and look at its TLS
  --dnsbl[=LIST]   ask lists of the DNS about our address: zen.spamhaus.org and
                   bl.spamcop.net, or LIST; again for more
  --json           one object: worst, and results with severity, check, found,
                   and where there is one fix and record

Exit status: 0 all is well, 1 warnings, 2 problems, 64 wrong usage.
`;

const USUAL_LISTS = ["zen.spamhaus.org", "bl.spamcop.net"];

type Draft = { -readonly [Name in keyof RehearsalRequest]: RehearsalRequest[Name] };

/** Reads the words; throws RequestFault with what is wrong with them. */
export function parseRehearsal(args: readonly string[]): RehearsalRequest | "help" {
  if (args.some((arg) => arg === "--help" || arg === "-h")) return "help";
  const draft: Draft = {
    sender: "",
    domain: "",
    addresses: [],
    to: undefined,
    message: undefined,
    bulk: false,
    lists: [],
    json: false,
  };
  for (let at = 0; at < args.length; at++) {
    const [option = "", inWord] = splitAt(args[at]!);
    if (!option.startsWith("-")) takeSender(draft, args[at]!);
    else if (!TAKES_VALUE.has(option)) takeFlag(draft, option, inWord);
    else takeValue(draft, option, inWord ?? args[++at] ?? missing(option));
  }
  if (draft.sender === "") throw new RequestFault("whose mail? An address is missing");
  return draft;
}

const TAKES_VALUE: ReadonlySet<string> = new Set(["--ip", "--message", "--to"]);

function splitAt(word: string): readonly [string, string | undefined] {
  const equals = word.startsWith("--") ? word.indexOf("=") : -1;
  return equals < 0 ? [word, undefined] : [word.slice(0, equals), word.slice(equals + 1)];
}

function missing(option: string): never {
  throw new RequestFault(`${option} needs a value`);
}

function takeSender(draft: Draft, sender: string): void {
  if (draft.sender !== "") throw new RequestFault(`one address, not also ${sender}`);
  const { local, domain: written } = splitAddress(sender);
  const domain = asciiDomain(written).toLowerCase().replace(/\.$/, "");
  if (local === "" || !domain.includes(".") || !isAsciiHostname(domain)) {
    throw new RequestFault(`no address with a domain: ${sender}`);
  }
  draft.sender = sender;
  draft.domain = domain;
}

function takeFlag(draft: Draft, option: string, value: string | undefined): void {
  if (option === "--dnsbl") {
    draft.lists = [...draft.lists, ...(value === undefined ? USUAL_LISTS : [value])];
  } else if (value !== undefined) throw new RequestFault(`${option} takes no value`);
  else if (option === "--bulk") draft.bulk = true;
  else if (option === "--json") draft.json = true;
  else throw new RequestFault(`unknown argument: "${option}"`);
}

function takeValue(draft: Draft, option: string, value: string): void {
  if (option === "--message") draft.message = value;
  else if (option === "--to") draft.to = value;
  else {
    const address = canonicalIp(value.replace(/^\[(?:ipv6:)?(.*)\]$/i, "$1"));
    if (address === undefined) throw new RequestFault(`--ip: no IP address: ${value}`);
    draft.addresses = [...draft.addresses, address];
  }
}
