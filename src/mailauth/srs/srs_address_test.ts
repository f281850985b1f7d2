import { expect, test } from "bun:test";
import fc from "fast-check";
import { type Address, internalAddress, splitAddress } from "../../address/address.ts";
import { claimsSrs, srsForward, srsReverse } from "./srs_address.ts";
import type { SrsRules } from "./srs_rules.ts";
import { srsAge, srsTimestamp } from "./srs_timestamp.ts";

const DAY = 86_400_000;
/** 2020-01-01 00:01:00 UTC. */
const NOW = 1_577_836_860_000;

const rules = (more: Partial<SrsRules> = {}): SrsRules => ({
  domain: "example.com",
  secrets: [Buffer.from("tops3cr3t")],
  separator: "=",
  hashLength: 4,
  hashMinimum: 4,
  maximumAge: 21,
  ...more,
});

const localOf = (address: string): string => splitAddress(address).local;
const forward = (sender: string, more: Partial<SrsRules> = {}, now = NOW): string | undefined =>
  srsForward(internalAddress(sender), rules(more), now);
const reverse = (address: string, more: Partial<SrsRules> = {}, now = NOW): string => {
  const back = srsReverse(localOf(address), rules(more), now);
  return back.is === "address" ? back.address : back.is === "refused" ? back.why : back.is;
};

test("srsForward() writes what libsrs2 writes", () => {
  expect(forward("test@otherdomain.com")).toBe("SRS0=vmyz=2W=otherdomain.com=test@example.com");
  expect(forward("test@otherdomain.com", { separator: "+" })).toBe(
    "SRS0+vmyz=2W=otherdomain.com=test@example.com",
  );
  expect(forward("")).toBeUndefined();
});

test("srsReverse() reads what libsrs2 reads, whatever case it came back in", () => {
  const made = "SRS0=vmyz=2W=otherdomain.com=test@example.com";
  for (const address of [made, made.toLowerCase(), made.toUpperCase(), made.replace("=", "+")]) {
    expect(reverse(address).toLowerCase()).toBe("test@otherdomain.com");
  }
  expect(reverse("test@example.com")).toBe("plain");
  expect(reverse("srs0@example.com")).toBe("plain");
});

test("the second host names the first, the third keeps that", () => {
  const first = forward("ann@a.example", { domain: "b.example" })!;
  const second = forward(first, { domain: "c.example" })!;
  expect(second).toMatch(/^SRS1=[\w+/]{4}=b\.example==[\w+/]{4}=2W=a\.example=ann@c\.example$/);
  const third = forward(second, { domain: "d.example", secrets: [Buffer.from("another")] })!;
  expect(third).toMatch(/^SRS1=[\w+/]{4}=b\.example==[\w+/]{4}=2W=a\.example=ann@d\.example$/);
  expect(third.split("=")[1]).not.toBe(second.split("=")[1]);
  const back = reverse(third, { domain: "d.example", secrets: [Buffer.from("another")] });
  expect(back).toBe(first);
  expect(reverse(back)).toBe("ann@a.example");
  expect(reverse(third)).toBe("forged");
});

test("no address leads to a host that has no name", () => {
  expect(forward("root@[10.1.2.3]")).toBeUndefined();
  const named = forward("SRS1=aaaa=[10.1.2.3]==x=y@a.example")!;
  expect(reverse(named)).toBe("SRS1=aaaa=[10.1.2.3]==x=y@a.example");
});

test("an address is good for so many days, also where the count begins again, and not before its day", () => {
  const made = forward("ann@a.example")!;
  expect(reverse(made, {}, NOW + 21 * DAY)).toBe("ann@a.example");
  expect(reverse(made, {}, NOW + 22 * DAY)).toBe("expired");
  expect(reverse(made, {}, NOW - DAY)).toBe("expired");
  const last = 1023 * DAY + 1024 * 20 * DAY;
  expect([srsTimestamp(last), srsTimestamp(last + DAY)]).toEqual(["77", "AA"]);
  expect(srsAge("77", last + 2 * DAY)).toBe(2);
  expect(srsAge("7", last)).toBeUndefined();
  expect(srsAge("01", last)).toBeUndefined();
});

test("the first secret signs, all verify", () => {
  const old = forward("ann@a.example")!;
  const secrets = [Buffer.from("new one"), Buffer.from("tops3cr3t")];
  expect(forward("ann@a.example", { secrets })).not.toBe(old);
  expect(reverse(old, { secrets })).toBe("ann@a.example");
  expect(reverse(forward("ann@a.example", { secrets })!, { secrets })).toBe("ann@a.example");
  expect(reverse(old, { secrets: secrets.slice(0, 1) })).toBe("forged");
});

test("a hash that is too short is refused, a longer one is held against all that it says", () => {
  const long = forward("ann@a.example", { hashLength: 8 })!;
  expect(long).toMatch(/^SRS0=[\w+/]{8}=/);
  expect(reverse(long)).toBe("ann@a.example");
  expect(reverse(forward("ann@a.example")!, { hashMinimum: 5 })).toBe("forged");
  const bent = `${long.slice(0, 12)}${long[12] === "A" ? "B" : "A"}${long.slice(13)}`;
  expect(reverse(bent)).toBe("forged");
});

test("both alphabets of base64 are the same hash", () => {
  const senders = Array.from({ length: 500 }, (_, at) => `user${at}@a.example`);
  const made = senders.map((sender) => forward(sender)!).filter((each) => /^SRS0=[^=]*[+/]/.test(each));
  expect(made.length).toBeGreaterThan(10);
  for (const each of made) {
    const other = each.replace(/=[^=]*/, (hash) => hash.replaceAll("+", "-").replaceAll("/", "_"));
    expect(reverse(other)).toBe(reverse(each));
    expect(reverse(other)).toContain("@a.example");
  }
});

test("odd senders survive, and domains beyond ASCII go in their ASCII form", () => {
  for (
    const sender of ["a b@a.example", 'o"x@a.example', "a@b@a.example", "x=y=z@a.example", "ü@a.example"]
  ) {
    expect(reverse(forward(sender)!)).toBe(sender);
  }
  expect(forward("ann@bücher.example")).toContain("=xn--bcher-kva.example=ann@");
});

test("what looks like SRS and is not is wrapped like any other, or refused", () => {
  for (
    const sender of ["SRS1=x@a.example", "SRS0=x@a.example", "SRS1=h=host=user@a.example", "SRS0==@a.example"]
  ) {
    expect(reverse(forward(sender)!)).toBe(sender);
    expect(reverse(sender)).toBe("forged");
  }
});

test("a sender that would become too long is left as it is", () => {
  expect(forward(`${"a".repeat(200)}@a.example`)).toBeDefined();
  expect(forward(`${"a".repeat(240)}@a.example`)).toBeUndefined();
});

const letters = (text: string) => fc.string({ unit: fc.constantFrom(...text), minLength: 1, maxLength: 30 });
const local = letters("abcXYZ019.=+-_!'ü \"@");
const domain = letters("abcxyz09-").map((text) => `${text}.example`);
const sender = fc.tuple(local, domain).map(([user, host]) => internalAddress(`${user}@${host}`));
const moment = fc.integer({ min: NOW, max: NOW + 3000 * DAY });
const setup = fc.record({
  separator: fc.constantFrom("=" as const, "+" as const, "-" as const),
  hashLength: fc.integer({ min: 4, max: 27 }),
});

test("decode(encode(x)) is x for any sender, on any day, over any number of hosts", () => {
  fc.assert(fc.property(sender, moment, setup, fc.integer({ min: 1, max: 4 }), (from, now, more, hosts) => {
    let address: Address = from;
    const ways = Array.from({ length: hosts }, (_, at) => rules({ ...more, domain: `h${at}.example` }));
    for (const way of ways) address = srsForward(address, way, now)!;
    // Back to the last host, which leads to the first one, which leads to the sender.
    const last = srsReverse(localOf(address), ways.at(-1)!, now);
    const first = hosts === 1 || last.is !== "address"
      ? last
      : srsReverse(localOf(last.address), ways[0]!, now);
    expect(first.is === "address" && first.address).toBe(from);
  }));
});

test("any changed letter is refused, but for its case", () => {
  fc.assert(
    fc.property(
      sender,
      setup,
      fc.boolean(),
      fc.nat(),
      fc.constantFrom(..."abz59"),
      (from, more, twice, where, other) => {
        const own = rules({ ...more, hashMinimum: more.hashLength });
        const once = srsForward(from, own, NOW)!;
        const made = twice ? srsForward(once, own, NOW)! : once;
        const local = made.slice(0, made.lastIndexOf("@"));
        const at = 5 + where % (local.length - 5);
        fc.pre(local[at]!.toLowerCase() !== other);
        const bent = `${local.slice(0, at)}${other}${local.slice(at + 1)}@${own.domain}`;
        expect(srsReverse(localOf(bent), own, NOW).is).toBe("refused");
        const turned = srsReverse(localOf(made.toUpperCase()), own, NOW);
        if (/^[\x00-\x7f]*$/.test(made)) expect(turned.is).toBe("address");
      },
    ),
  );
});

test("any text has an answer, and none that nobody signed leads anywhere", () => {
  const piece = fc.oneof(
    fc.string(),
    fc.constantFrom("SRS0", "SRS1", "srs0", "=", "==", "+", "-", "2W", "@", "a.example"),
  );
  fc.assert(fc.property(fc.array(piece, { maxLength: 14 }), (pieces) => {
    const address = internalAddress(`SRS${pieces.join("")}@example.com`);
    const back = srsReverse(localOf(address), rules(), NOW);
    expect(back.is).toBe(claimsSrs(address) ? "refused" : "plain");
  }));
});
