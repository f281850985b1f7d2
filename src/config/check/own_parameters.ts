import { isHostname } from "../../address/hostname.ts";
import { asciiDomain } from "../../address/idna.ts";
import { parseIp } from "../../address/ip.ts";
import { parseNetwork } from "../../address/network.ts";
import type { Diagnostic } from "../syntax/diagnostic.ts";
import { splitHostPort } from "../listen_address.ts";
import { splitList } from "../syntax/list.ts";
import type { Scope } from "../scope.ts";
import { textOf } from "./check_main.ts";

const isEndpoint = (text: string) => {
  if (/^unix:\/./.test(text)) return true;
  const split = splitHostPort(text);
  return typeof split !== "string" && split.host !== "" && /^\d{1,5}$/.test(split.port) &&
    Number(split.port) <= 65_535;
};

const isSocket = (text: string) => {
  const split = splitHostPort(text);
  return typeof split !== "string" && parseIp(split.host) !== undefined && /^\d{1,5}$/.test(split.port) &&
    Number(split.port) <= 65_535;
};

const isFullName = (text: string) =>
  !text.startsWith(".") && isHostname(asciiDomain(text)) && text.includes(".");

const isNameServer = (text: string) => parseIp(text) !== undefined || isEndpoint(text);

/** At the door of an authority: ordinary addresses, no quoted ones. */
const isPlainAddress = (text: string) => {
  const [, local, domain] = /^([\w!#$%&'*+/=?^`{|}~.-]+)@([^@]+)$/.exec(text) ?? [];
  return local !== undefined && domain !== undefined && !/^\.|\.\.|\.$/.test(local) && isFullName(domain);
};

/** Each item of a list is one. */
const listOf = (isOne: (item: string) => boolean) => (text: string) => splitList(text).every(isOne);

/**
 * The shape of our own parameters, where a row's type and range do not say it all. Plain questions: a schema library here costs
 * every process and every command more than all the rest of reading a configuration.
 */
const OWN: Readonly<
  Record<string, { readonly fits: (value: string) => boolean; readonly expected: string }>
> = {
  http_listen: {
    fits: listOf(isEndpoint),
    expected: "host:port, [v6address]:port or unix:/path, or nothing",
  },
  acme_domains: {
    fits: listOf(isFullName),
    expected: "names of this server as clients use them, without wildcards, or nothing",
  },
  acme_http_listen: {
    fits: listOf(isSocket),
    expected: "address:port or [v6address]:port, or nothing",
  },
  acme_tls_listen: {
    fits: listOf(isSocket),
    expected: "address:port or [v6address]:port, or nothing",
  },
  acme_directory: {
    fits: (text) => /^https:\/\/[^\s/]+\/?\S*$/.test(text),
    expected: "the https:// address of an authority's directory",
  },
  acme_email: {
    fits: listOf(isPlainAddress),
    expected: "mail addresses, or nothing",
  },
  dmarc_report_from: {
    fits: (text) => /^[^\s@<>]+@[^\s@<>]+$/.test(text),
    expected: "an address with a domain",
  },
  dns_servers: {
    fits: listOf(isNameServer),
    expected:
      "addresses of name servers, each with :port if need be, or nothing for those of /etc/resolv.conf",
  },
  srs_domain: {
    fits: (text) => text === "" || isFullName(text),
    expected: "a domain of this server's, for which it gets mail, or nothing",
  },
  tls_https_denied_networks: {
    fits: listOf((text) => !("malformed" in parseNetwork(text))),
    expected: "networks as in mynetworks: 10.0.0.0/8, [fc00::]/7",
  },
  worker_processes: {
    fits: (text) => text === "auto" || (/^\d{1,4}$/.test(text) && Number(text) >= 1),
    expected: '"auto", or a number from 1',
  },
};

/** Checks our own parameters. */
export function checkOwn(scope: Scope): Diagnostic[] {
  return Object.entries(OWN).flatMap(([name, { fits, expected }]) => {
    const value = textOf(scope, name);
    if (value === undefined || fits(value)) return [];
    return [scope.complaint(name, value, `bad ${name} value: ${value}`, expected)];
  });
}
