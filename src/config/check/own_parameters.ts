import { z } from "zod";
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

const list = (item: z.ZodType<string, string>) => z.string().transform(splitList).pipe(z.array(item));

/** The shape of our own parameters, where a row's type and range do not say it all. */
const OWN: Readonly<Record<string, { readonly schema: z.ZodType; readonly expected: string }>> = {
  http_listen: {
    schema: list(z.string().refine(isEndpoint)),
    expected: "host:port, [v6address]:port or unix:/path, or nothing",
  },
  acme_domains: {
    schema: list(z.string().refine(isFullName)),
    expected: "names of this server as clients use them, without wildcards, or nothing",
  },
  acme_http_listen: {
    schema: list(z.string().refine(isSocket)),
    expected: "address:port or [v6address]:port, or nothing",
  },
  acme_tls_listen: {
    schema: list(z.string().refine(isSocket)),
    expected: "address:port or [v6address]:port, or nothing",
  },
  acme_directory: {
    schema: z.string().regex(/^https:\/\/[^\s/]+\/?\S*$/),
    expected: "the https:// address of an authority's directory",
  },
  acme_email: {
    schema: list(z.email()),
    expected: "mail addresses, or nothing",
  },
  dmarc_report_from: {
    schema: z.string().regex(/^[^\s@<>]+@[^\s@<>]+$/),
    expected: "an address with a domain",
  },
  dns_servers: {
    schema: list(z.string().refine(isNameServer)),
    expected:
      "addresses of name servers, each with :port if need be, or nothing for those of /etc/resolv.conf",
  },
  srs_domain: {
    schema: z.string().refine((text) => text === "" || isFullName(text)),
    expected: "a domain of this server's, for which it gets mail, or nothing",
  },
  tls_https_denied_networks: {
    schema: list(z.string().refine((text) => !("malformed" in parseNetwork(text)))),
    expected: "networks as in mynetworks: 10.0.0.0/8, [fc00::]/7",
  },
  worker_processes: {
    schema: z.union([z.literal("auto"), z.string().regex(/^\d{1,4}$/).refine((text) => Number(text) >= 1)]),
    expected: '"auto", or a number from 1',
  },
};

/** Checks our own parameters. */
export function checkOwn(scope: Scope): Diagnostic[] {
  return Object.entries(OWN).flatMap(([name, { schema, expected }]) => {
    const value = textOf(scope, name);
    if (value === undefined || schema.safeParse(value).success) return [];
    return [scope.complaint(name, value, `bad ${name} value: ${value}`, expected)];
  });
}
