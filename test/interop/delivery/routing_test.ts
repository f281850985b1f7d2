// Our resolver and address rewriting against trivial-rewrite(8) of a private real Postfix, over its socket.
import { expect } from "bun:test";
import fc from "fast-check";
import { createAddressForm, quoteWithRoute } from "../../../src/rewrite/address_form.ts";
import type { Resolution } from "../../../src/routing/route.ts";
import { policyKit } from "../../kit/policy.ts";
import { type PostfixInstance, startPostfix } from "../../kit/servers/postfix.ts";
import {
  openTrivialRewrite,
  type RealResolution,
  type TrivialRewrite,
} from "../../kit/scenes/trivial_rewrite.ts";
import { withPeers } from "../../kit/peers.ts";

const { afterAll, beforeAll, describe, test } = withPeers(import.meta.path, "postfix", "root");

const COMMON: Readonly<Record<string, string>> = {
  compatibility_level: "3.6",
  myhostname: "mail.example.com",
  mydomain: "example.com",
  myorigin: "example.com",
  mydestination: "example.com, localhost, here.example",
  inet_interfaces: "127.0.0.1",
  inet_protocols: "all",
  proxy_interfaces: "192.0.2.200",
  virtual_alias_domains: "alias.example, inline:{table.alias.example=x}",
  virtual_alias_maps: "inline:{a@alias.example=b@c}",
  virtual_mailbox_domains: "vmail.example",
  virtual_mailbox_maps: "inline:{x@vmail.example=x}",
  relay_domains: "relay.example, .dot.example",
  recipient_delimiter: "+-",
};

const VARIANTS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  defaults: {},
  "percent hack and bang paths off": { allow_percent_hack: "no", swap_bangpath: "no" },
  "nothing appended": { append_at_myorigin: "no", append_dot_mydomain: "no" },
  "parent domain appended, remote domain set": {
    append_dot_mydomain: "yes",
    remote_header_rewrite_domain: "remote.invalid",
  },
  "null domain, numeric domain, minus user": {
    resolve_null_domain: "yes",
    resolve_numeric_domain: "yes",
    allow_min_user: "yes",
    resolve_dequoted_address: "no",
  },
  "relayhost and transports": {
    relayhost: "[relay.isp.example]:587",
    default_transport: "smtp",
    relay_transport: "relay:special.example",
    virtual_transport: "lmtp:unix:private/x",
    local_transport: "local",
    transport_maps: "inline:{" + [
      "{full@a.example=smtp:full}",
      "{full+ext@a.example=smtp:extension}",
      "{a.example=smtp:[a.host]}",
      "{.b.example=:viaparent}",
      "{b.example=other:}",
      "{c.example=error:}",
      "{d.example=error:5.1.2 no such place}",
      "{e.example=retry}",
      "{f.example=:}",
      "{user@here.example=special}",
      "{relay.example=uucp:hop}",
      "{x@vmail.example=virtual}",
      "{alias.example=never:reached}",
      "{*=fallback:}",
    ].join(",") + "}",
    parent_domain_matches_subdomains: "relay_domains",
    relocated_maps: "inline:{{gone@a.example=new@b.example},{@moved.example=elsewhere},local=away}",
  },
  "transports with matching parents": {
    transport_maps: "inline:{{b.example=smtp:parent},{full@sub.b.example=smtp:full},{.b.example=smtp:never}}",
    parent_domain_matches_subdomains: "transport_maps",
  },
  "sender dependent": {
    relayhost: "[all.example]",
    sender_dependent_relayhost_maps:
      "inline:{{s@a.example=[sender.relay]},{@b.example=domain.relay},{d@a.example=DUNNO},{<>=[null.relay]}}",
    sender_dependent_default_transport_maps:
      "inline:{{s@a.example=special},{@b.example=other:hop},{d@a.example=dunno},{<>=null:}}",
  },
};

const ADDRESSES = [
  "bob",
  "bob@example.com",
  "Bob@EXAMPLE.com",
  "bob@localhost",
  "bob@here.example",
  "bob@host",
  "bob@",
  "@",
  "@example.com",
  "",
  "a@alias.example",
  "a@table.alias.example",
  "a@sub.table.alias.example",
  "x@vmail.example",
  "x@sub.vmail.example",
  "x@relay.example",
  "x@sub.relay.example",
  "x@dot.example",
  "x@sub.dot.example",
  "x@other.example",
  "x@other.example.",
  "x@other.example..",
  "x@.other.example",
  "x@[127.0.0.1]",
  "x@[192.0.2.200]",
  "x@[192.0.2.9]",
  "x@[IPv6:::1]",
  "x@[junk]",
  "x@127.0.0.1",
  "x@192.0.2.9",
  "a%b",
  "a%b@example.com",
  "a%b.example@example.com",
  "a%b%c@example.com",
  "a!b",
  "a!b@example.com",
  "a.example!b!c@example.com",
  "a@b@example.com",
  "a@b.example@localhost@example.com",
  "a@b.example@c.example",
  "a%b@c.example",
  "a!b@c.example",
  "a%b@alias.example",
  '"a@b.example"@example.com',
  '"a%b"@example.com',
  '"a b"@example.com',
  "a b@example.com",
  "a b@other.example",
  "a@b.example %x@example.com",
  "@hop.example:a@b.example",
  "@hop.example,@two.example:a@b.example",
  "@example.com:a@b.example",
  "-x@example.com",
  "-x@other.example",
  "x@exa_mple.example",
  "x@-a.example",
  "x@a-.example",
  "x@123.456",
  "x@123",
  "x@münchen.example",
  "ü@example.com",
  "full@a.example",
  "full+ext@a.example",
  "full+no@a.example",
  "full-no@a.example",
  "z@sub.a.example",
  "z@b.example",
  "z@sub.b.example",
  "full@sub.b.example",
  "z@deep.sub.b.example",
  "z@c.example",
  "z@d.example",
  "z@e.example",
  "z@f.example",
  "user@here.example",
  "gone@a.example",
  "gone+x@a.example",
  "any@moved.example",
  "local@example.com",
  "local",
  "owner-list@example.com",
  "list-request@example.com",
  "a..b@example.com",
  ".a@example.com",
  "a.@example.com",
  "a\\b@example.com",
  "a(comment)@example.com",
  "a,b@example.com",
  "a:b@example.com",
  "a;b@example.com",
  "a<b>@example.com",
  "a[b]@example.com",
  'a"b@example.com',
  "a|b@example.com",
  "%",
  "!",
  "%@example.com",
  "a%@example.com",
  "!@example.com",
  "a!@example.com",
];
const SENDERS = ["", "s@a.example", "x@b.example", "d@a.example", "o@other.example"];

const CLASSES: readonly (readonly [number, string])[] = [
  [1 << 8, "local"],
  [1 << 9, "virtual alias"],
  [1 << 10, "virtual mailbox"],
  [1 << 11, "relay"],
  [1 << 12, "default"],
];

/** Both in the same words; the flags are RESOLVE_FLAG_* and RESOLVE_CLASS_*. */
function realWords(real: RealResolution): unknown {
  if ((real.flags & 8) !== 0) return "trouble";
  if ((real.flags & 4) !== 0) return { malformed: true };
  const kind = CLASSES.find(([bit]) => (real.flags & bit) !== 0)?.[1];
  const { transport, nexthop, recipient } = real;
  return { class: kind, transport, nexthop, recipient, routed: (real.flags & 2) !== 0 };
}

function ourWords(ours: Resolution): unknown {
  if (ours.is === "trouble") return "trouble";
  if (ours.malformed) return { malformed: true };
  const { class: kind, transport, nexthop, recipient, routed } = ours;
  return { class: kind, transport, nexthop, recipient, routed };
}

for (const [name, settings] of Object.entries(VARIANTS)) {
  describe(`routing as trivial-rewrite does: ${name}`, () => {
    const main = { ...COMMON, ...settings };
    const kit = policyKit(Object.entries(main).map(([key, value]) => `${key} = ${value}\n`).join(""));
    const form = createAddressForm(kit.settings);
    let postfix: PostfixInstance;
    let real: TrivialRewrite;

    beforeAll(async () => {
      postfix = await startPostfix({ main, master: "" });
      real = await openTrivialRewrite(postfix.configDirectory.replace(/etc$/, "queue"));
    }, 180_000);
    afterAll(async () => {
      real?.close();
      await postfix?.stop();
    });

    test("addresses of the table resolve alike", async () => {
      for (const address of ADDRESSES) {
        for (const sender of name === "sender dependent" ? SENDERS : [""]) {
          const expected = realWords(await real.resolve(sender, address));
          // Delivery resolves what cleanup has rewritten; policy rewrites first.
          const route = await kit.router.route(sender, address);
          const raw = await kit.resolver(sender, address);
          expect([address, sender, ourWords(raw)]).toEqual([address, sender, expected]);
          expect(route.is).toBe("route");
        }
      }
    }, 180_000);

    test("addresses of the table take the same standard form", async () => {
      for (const context of ["local", "remote"] as const) {
        for (const address of ADDRESSES.filter((each) => each !== "")) {
          const expected = await real.rewrite(context, quoteWithRoute(address));
          expect([address, context, quoteWithRoute(form.rewrite(address, context))])
            .toEqual([address, context, expected]);
        }
      }
    }, 180_000);

    test("generated addresses resolve and rewrite alike", async () => {
      const piece = fc.constantFrom(
        "a",
        "b",
        "bob",
        "example.com",
        "localhost",
        "other.example",
        "alias.example",
        "relay.example",
        "here.example",
        "@",
        "@",
        "@",
        "%",
        "!",
        ".",
        "..",
        '"',
        "\\",
        " ",
        ":",
        ",",
        "[127.0.0.1]",
        "+x",
        "-",
      );
      const address = fc.array(piece, { minLength: 1, maxLength: 9 }).map((parts) => parts.join(""));
      await fc.assert(
        fc.asyncProperty(address, async (text) => {
          expect(ourWords(await kit.resolver("", text))).toEqual(realWords(await real.resolve("", text)));
        }),
        { numRuns: 2000 },
      );
    }, 180_000);
  });
}
