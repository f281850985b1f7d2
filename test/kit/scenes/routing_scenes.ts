// What the DNS and several hosts can do to a client. Each scene is played to our client and to Postfix's.
import type { Zone } from "../servers/dns_server.ts";
import type { PeerScript } from "../servers/smtp_peer.ts";

/** Port of the hosts below, on 127.0.0.N. */
export const HOST_PORT = 25_631;

export interface RoutingScene {
  /** Where the mail goes: `DOMAIN:PORT`, or the domain alone (port 25: loops are looked for). */
  readonly nexthop: string;
  /** What the hosts 127.0.0.N do; hosts that are not listed refuse the connection. */
  readonly hosts?: Readonly<Record<number, PeerScript>>;
  readonly settings?: Readonly<Record<string, string | number | boolean>>;
  /** `status dsn relay (text)`. */
  readonly want: string;
  /** Client log lines in order, `ID` for the queue id. */
  readonly log?: readonly string[];
}

const busy: PeerScript = { greeting: "421 4.3.2 busy" };
const P = HOST_PORT;
const at = (name: string, n: number) => `${name}[127.0.0.${n}]`;
const nowhere = (name: string, type: string, why: string) =>
  `Host or domain name not found. Name service error for name=${name} type=${type}: ${why}`;
const SENT = "(250 2.0.0 Ok: queued as 12345)";

export const ROUTING_ZONE: Zone = {
  "two.example": { MX: ["20 second.example", "10 first.example"] },
  "first.example": { A: ["127.0.0.11"] },
  "second.example": { A: ["127.0.0.12"] },
  "third.example": { A: ["127.0.0.13"] },
  "three.example": { MX: ["10 first.example", "20 second.example", "30 third.example"] },
  "plain.example": { A: ["127.0.0.12"] },
  "alias.example": { CNAME: ["two.example"] },
  "nothing.example": { TXT: ["x"] },
  "mxfail.example": { MX: "SERVFAIL", A: ["127.0.0.12"] },
  "mxrefused.example": { MX: "REFUSED", A: ["127.0.0.12"] },
  "null.example": { MX: ["0 ."] },
  "noaddress.example": { MX: ["10 nowhere.example"] },
  "mxnodata.example": { MX: ["10 nothing.example"] },
  "mxaddressfail.example": { MX: ["10 broken.example"] },
  "halfbroken.example": { MX: ["10 broken.example", "20 second.example"] },
  "broken.example": { A: "SERVFAIL", AAAA: "SERVFAIL" },
  "me.example": { MX: ["10 self.example"] },
  "self.example": { A: ["127.0.0.1"] },
  "backup.example": { MX: ["10 dead25.example", "20 self.example", "30 third.example"] },
  "dead25.example": { A: ["127.0.0.99"] },
  "lostprimary.example": { MX: ["10 nowhere.example", "20 self.example"] },
  "malformed.example": { MX: ["10 a\r\nDiagnostic-Code:x.example"] },
  "halfmalformed.example": { MX: ["10 bad!name.example", "20 second.example"] },
  "malformedalias.example": { CNAME: ["b\nad.example"] },
  "literal.example": { MX: ["10 127.0.0.12"] },
};

const leavingOut = (what: string) => ({ smtp_dns_reply_filter: `regexp:{{/ ${what}/ ignore}}` });

export const ROUTING_SCENES: Readonly<Record<string, RoutingScene>> = {
  "the preferred exchanger gets the mail": {
    nexthop: `two.example:${P}`,
    hosts: { 11: {}, 12: {} },
    want: `sent 2.0.0 ${at("first.example", 11)}:${P} ${SENT}`,
  },
  "a dead exchanger is passed over": {
    nexthop: `two.example:${P}`,
    hosts: { 12: {} },
    want: `sent 2.0.0 ${at("second.example", 12)}:${P} ${SENT}`,
    log: [`connect to ${at("first.example", 11)}:${P}: Connection refused`],
  },
  "all exchangers are dead": {
    nexthop: `two.example:${P}`,
    want: `deferred 4.4.1 none (connect to ${at("second.example", 12)}:${P}: Connection refused)`,
    log: [
      `connect to ${at("first.example", 11)}:${P}: Connection refused`,
      `connect to ${at("second.example", 12)}:${P}: Connection refused`,
    ],
  },
  "an exchanger that can be no host": {
    nexthop: `malformed.example:${P}`,
    want: "bounced 5.4.4 none (Name service error for name=malformed.example type=MX: " +
      "Malformed or unexpected name server reply)",
    log: [
      "warning: malformed domain name in resource data of MX record for malformed.example: " +
      "a\\013\\010Diagnostic-Code:x.example",
    ],
  },
  "an exchanger that can be no host is passed over": {
    nexthop: `halfmalformed.example:${P}`,
    hosts: { 12: {} },
    want: `sent 2.0.0 ${at("second.example", 12)}:${P} ${SENT}`,
    log: [
      "warning: malformed domain name in resource data of MX record for halfmalformed.example: " +
      "bad!name.example",
    ],
  },
  "an alias that can be no host": {
    nexthop: `malformedalias.example:${P}`,
    want: `bounced 5.4.4 none (${nowhere("malformedalias.example", "A", "Host not found")})`,
  },
  "a busy exchanger is passed over": {
    nexthop: `two.example:${P}`,
    hosts: { 11: busy, 12: {} },
    want: `sent 2.0.0 ${at("second.example", 12)}:${P} ${SENT}`,
    log: [`ID: host ${at("first.example", 11)} refused to talk to me: 421 4.3.2 busy`],
  },
  "a recipient deferred by the first is tried at the second": {
    nexthop: `two.example:${P}`,
    hosts: { 11: { rcpt: "450 4.2.1 later" }, 12: {} },
    want: `sent 2.0.0 ${at("second.example", 12)}:${P} ${SENT}`,
    log: [`ID: host ${at("first.example", 11)} said: 450 4.2.1 later (in reply to RCPT TO command)`],
  },
  "a recipient refused by the first is not": {
    nexthop: `two.example:${P}`,
    hosts: { 11: { rcpt: "550 5.1.1 no" }, 12: {} },
    want: `bounced 5.1.1 ${at("first.example", 11)}:${P} (host ${
      at("first.example", 11)
    } said: 550 5.1.1 no (in reply to RCPT TO command))`,
  },
  "two sessions are enough": {
    nexthop: `three.example:${P}`,
    hosts: { 11: { mail: "450 4.1.1 a" }, 12: { mail: "450 4.1.2 b" }, 13: {} },
    want: `deferred 4.1.2 ${at("second.example", 12)}:${P} (host ${
      at("second.example", 12)
    } said: 450 4.1.2 b (in reply to MAIL FROM command))`,
    log: [`ID: host ${at("first.example", 11)} said: 450 4.1.1 a (in reply to MAIL FROM command)`],
  },
  "handshakes do not count as sessions": {
    nexthop: `three.example:${P}`,
    hosts: { 11: busy, 12: busy, 13: {} },
    want: `sent 2.0.0 ${at("third.example", 13)}:${P} ${SENT}`,
    log: [
      `ID: host ${at("first.example", 11)} refused to talk to me: 421 4.3.2 busy`,
      `ID: host ${at("second.example", 12)} refused to talk to me: 421 4.3.2 busy`,
    ],
  },
  "the address limit ends the search": {
    nexthop: `three.example:${P}`,
    settings: { smtp_mx_address_limit: 2 },
    hosts: { 13: {} },
    want: `deferred 4.4.1 none (connect to ${at("second.example", 12)}:${P}: Connection refused)`,
    log: [
      `connect to ${at("first.example", 11)}:${P}: Connection refused`,
      `connect to ${at("second.example", 12)}:${P}: Connection refused`,
    ],
  },
  "a domain without exchangers is its own": {
    nexthop: `plain.example:${P}`,
    hosts: { 12: {} },
    want: `sent 2.0.0 ${at("plain.example", 12)}:${P} ${SENT}`,
  },
  "an alias leads to exchangers": {
    nexthop: `alias.example:${P}`,
    hosts: { 11: {} },
    want: `sent 2.0.0 ${at("first.example", 11)}:${P} ${SENT}`,
  },
  "brackets turn the exchangers off": {
    nexthop: `[plain.example]:${P}`,
    hosts: { 12: {} },
    want: `sent 2.0.0 ${at("plain.example", 12)}:${P} ${SENT}`,
  },
  "an address as exchanger works": {
    nexthop: `literal.example:${P}`,
    hosts: { 12: {} },
    want: `sent 2.0.0 ${at("127.0.0.12", 12)}:${P} ${SENT}`,
    log: ["warning: numeric domain name in resource data of MX record for literal.example: 127.0.0.12"],
  },
  "no such domain": {
    nexthop: `nowhere.example:${P}`,
    want: `bounced 5.4.4 none (${nowhere("nowhere.example", "A", "Host not found")})`,
  },
  "a domain without exchangers and addresses": {
    nexthop: `nothing.example:${P}`,
    want: `bounced 5.4.4 none (${
      nowhere("nothing.example", "A", "Host found but no data record of requested type")
    })`,
  },
  "exchangers cannot be looked up": {
    nexthop: `mxfail.example:${P}`,
    want: `deferred 4.4.3 none (${nowhere("mxfail.example", "MX", "Host not found, try again")})`,
  },
  "exchangers cannot be looked up, and it does not matter": {
    nexthop: `mxfail.example:${P}`,
    settings: { ignore_mx_lookup_error: true },
    hosts: { 12: {} },
    want: `sent 2.0.0 ${at("mxfail.example", 12)}:${P} ${SENT}`,
  },
  "the name server refuses": {
    nexthop: `mxrefused.example:${P}`,
    want: `deferred 4.4.3 none (${nowhere("mxrefused.example", "MX", "Host not found, try again")})`,
  },
  "a null exchanger": {
    nexthop: `null.example:${P}`,
    want: "bounced 5.1.0 none (Domain null.example does not accept mail (nullMX))",
  },
  "no exchanger exists": {
    nexthop: `noaddress.example:${P}`,
    want: `bounced 5.4.4 none (${nowhere("nowhere.example", "A", "Host not found")})`,
    log: ["warning: no MX host for noaddress.example has a valid address record"],
  },
  "no exchanger exists, and the mail waits": {
    nexthop: `noaddress.example:${P}`,
    settings: { smtp_defer_if_no_mx_address_found: true },
    want: `deferred 4.4.4 none (${nowhere("nowhere.example", "A", "Host not found")})`,
    log: ["warning: no MX host for noaddress.example has a valid address record"],
  },
  "the exchanger has no address": {
    nexthop: `mxnodata.example:${P}`,
    want: `bounced 5.4.4 none (${
      nowhere("nothing.example", "A", "Host found but no data record of requested type")
    })`,
    log: ["warning: no MX host for mxnodata.example has a valid address record"],
  },
  "the exchanger's address cannot be looked up": {
    nexthop: `mxaddressfail.example:${P}`,
    want: `deferred 4.4.3 none (${nowhere("broken.example", "A", "Host not found, try again")})`,
    log: ["warning: no MX host for mxaddressfail.example has a valid address record"],
  },
  "one exchanger's address cannot be looked up": {
    nexthop: `halfbroken.example:${P}`,
    hosts: { 12: {} },
    want: `sent 2.0.0 ${at("second.example", 12)}:${P} ${SENT}`,
  },
  "this host is the exchanger": {
    nexthop: "me.example",
    want: "bounced 5.4.6 none (mail for me.example loops back to myself)",
  },
  "this host is a backup, and the primary is dead": {
    nexthop: "backup.example",
    want: `deferred 4.4.1 none (connect to ${at("dead25.example", 99)}:25: Connection refused)`,
    log: [`connect to ${at("dead25.example", 99)}:25: Connection refused`],
  },
  "this host is a backup, and the primary is lost": {
    nexthop: "lostprimary.example",
    want: "deferred 4.4.4 none (unable to find primary relay for lostprimary.example)",
  },
  "a named host is this host": {
    nexthop: "[self.example]",
    want: "bounced 5.4.6 none (mail for self.example loops back to myself)",
  },
  "this host on another port is no loop": {
    nexthop: `me.example:${P}`,
    hosts: { 1: {} },
    want: `sent 2.0.0 ${at("self.example", 1)}:${P} ${SENT}`,
  },
  "a fallback relay helps when all are dead": {
    nexthop: `two.example:${P}`,
    settings: { smtp_fallback_relay: `[third.example]:${P}` },
    hosts: { 13: {} },
    want: `sent 2.0.0 ${at("third.example", 13)}:${P} ${SENT}`,
    log: [
      `connect to ${at("first.example", 11)}:${P}: Connection refused`,
      `connect to ${at("second.example", 12)}:${P}: Connection refused`,
    ],
  },
  "a fallback relay helps when there is no such domain": {
    nexthop: `nowhere.example:${P}`,
    settings: { smtp_fallback_relay: `[third.example]:${P}` },
    hosts: { 13: {} },
    want: `sent 2.0.0 ${at("third.example", 13)}:${P} ${SENT}`,
  },
  "a fallback relay does not help against a loop": {
    nexthop: "me.example",
    settings: { smtp_fallback_relay: `[third.example]:${P}` },
    hosts: { 13: {} },
    want: "bounced 5.4.6 none (mail for me.example loops back to myself)",
  },
  "a fallback relay that does not exist is a mistake": {
    nexthop: `nowhere.example:${P}`,
    settings: { smtp_fallback_relay: `[gone.example]:${P}` },
    want: `deferred 4.3.5 none (${nowhere("gone.example", "A", "Host not found")})`,
    log: ["warning: smtp_fallback_relay configuration problem"],
  },
  "a relayhost that does not exist is a mistake": {
    nexthop: `[gone.example]:${P}`,
    settings: { relayhost: `[gone.example]:${P}` },
    want: `deferred 4.3.5 none (${nowhere("gone.example", "A", "Host not found")})`,
    log: ["warning: relayhost configuration problem"],
  },
  "several next hops are tried in order": {
    nexthop: `plain.example:${P}, [third.example]:${P}`,
    hosts: { 13: {} },
    want: `sent 2.0.0 ${at("third.example", 13)}:${P} ${SENT}`,
    log: [`connect to ${at("plain.example", 12)}:${P}: Connection refused`],
  },
  "the hosts file, after the DNS": {
    nexthop: `[localhost]:${P}`,
    settings: { smtp_host_lookup: "native" },
    hosts: { 1: {} },
    want: `sent 2.0.0 ${at("localhost", 1)}:${P} ${SENT}`,
  },
  "the system's lookup finds nothing": {
    nexthop: `[gone.example]:${P}`,
    settings: { smtp_host_lookup: "native" },
    want: "bounced 5.4.4 none (unable to look up host gone.example: Name or service not known)",
  },
  "records of one exchanger are left out": {
    nexthop: `two.example:${P}`,
    hosts: { 11: {}, 12: {} },
    settings: leavingOut("MX 10 first"),
    want: `sent 2.0.0 ${at("second.example", 12)}:${P} ${SENT}`,
    log: ["ignoring DNS RR: two.example. 60 IN MX 10 first.example."],
  },
  "an exchanger's address is left out": {
    nexthop: `two.example:${P}`,
    hosts: { 11: {}, 12: {} },
    settings: leavingOut("A 127.0.0.11$"),
    want: `sent 2.0.0 ${at("second.example", 12)}:${P} ${SENT}`,
    log: ["ignoring DNS RR: first.example. 60 IN A 127.0.0.11"],
  },
  "all exchangers are left out": {
    nexthop: `two.example:${P}`,
    hosts: { 12: {} },
    settings: leavingOut("MX"),
    want:
      "deferred 4.7.0 none (Error looking up name=two.example type=MX: DNS reply filter drops all results)",
    log: [
      "ignoring DNS RR: two.example. 60 IN MX 20 second.example.",
      "ignoring DNS RR: two.example. 60 IN MX 10 first.example.",
    ],
  },
  "the only address is left out": {
    nexthop: `plain.example:${P}`,
    hosts: { 12: {} },
    settings: leavingOut("A"),
    want:
      "deferred 4.7.0 none (Error looking up name=plain.example type=A: DNS reply filter drops all results)",
    log: ["ignoring DNS RR: plain.example. 60 IN A 127.0.0.12"],
  },
  "all addresses of all exchangers are left out": {
    nexthop: `two.example:${P}`,
    hosts: { 12: {} },
    settings: leavingOut("A"),
    want:
      "deferred 4.7.0 none (Error looking up name=second.example type=A: DNS reply filter drops all results)",
    log: [
      "ignoring DNS RR: first.example. 60 IN A 127.0.0.11",
      "ignoring DNS RR: second.example. 60 IN A 127.0.0.12",
      "warning: no MX host for two.example has a valid address record",
    ],
  },
  "nothing is left out": {
    nexthop: `two.example:${P}`,
    hosts: { 11: {}, 12: {} },
    settings: leavingOut("AAAA"),
    want: `sent 2.0.0 ${at("first.example", 11)}:${P} ${SENT}`,
    log: [],
  },
  "a filter that says something else": {
    nexthop: `two.example:${P}`,
    hosts: { 11: {}, 12: {} },
    settings: { smtp_dns_reply_filter: "regexp:{{/MX/ REJECT}}" },
    want: "deferred 4.4.3 none (Error looking up name=two.example type=MX: Invalid DNS reply filter syntax)",
    log: ['warning: smtp_dns_reply_filter: unknown DNS filter action: "REJECT"'],
  },
  "a filter that cannot be asked": {
    nexthop: `two.example:${P}`,
    hosts: { 11: {}, 12: {} },
    settings: { smtp_dns_reply_filter: "fail:x" },
    want: "deferred 4.4.3 none (Error looking up name=two.example type=MX: Invalid DNS reply filter syntax)",
    log: ['warning: fail:x lookup error for "two.example. 60 IN MX 20 second.example."'],
  },
};
