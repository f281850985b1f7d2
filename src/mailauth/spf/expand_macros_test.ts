import { expect, test } from "bun:test";
import fc from "fast-check";
import { parseIp } from "../../address/ip.ts";
import { expandDomain, expandExplanation, type Subject } from "./expand_macros.ts";
import { parseExplanation, parseMacroString } from "./macro_string.ts";

const at = (ip: string, more: Partial<Subject> = {}): Subject => ({
  ip: parseIp(ip)!,
  sender: "strong-bad@email.example.com",
  local: "strong-bad",
  senderDomain: "email.example.com",
  helo: "mx.example.org",
  receiver: "",
  now: 1_700_000_000_999,
  ...more,
});
const around = { domain: "email.example.com", clientName: "unknown" };

function macros(text: string) {
  const parsed = parseExplanation(text);
  if ("fault" in parsed) throw new Error(parsed.fault);
  return parsed;
}

// RFC 7208 §7.4
test.each([
  ["%{s}", "strong-bad@email.example.com"],
  ["%{o}", "email.example.com"],
  ["%{d}", "email.example.com"],
  ["%{d4}", "email.example.com"],
  ["%{d3}", "email.example.com"],
  ["%{d2}", "example.com"],
  ["%{d1}", "com"],
  ["%{dr}", "com.example.email"],
  ["%{d2r}", "example.email"],
  ["%{l}", "strong-bad"],
  ["%{l-}", "strong.bad"],
  ["%{lr}", "strong-bad"],
  ["%{lr-}", "bad.strong"],
  ["%{l1r-}", "strong"],
  ["%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"],
  ["%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"],
  ["%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"],
  ["%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}", "3.2.0.192.in-addr.strong.lp._spf.example.com"],
  ["%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"],
  ["%{h}%_%%%-%{c}%{t}%{r}%{p}", "mx.example.org %%20192.0.2.31700000000unknownunknown"],
])("%s is the RFC's %s", (text, value) => {
  expect(expandExplanation(macros(text), at("192.0.2.3"), around)).toBe(value);
});

test("an IPv6 address is taken apart by its digits", () => {
  expect(expandExplanation(macros("%{ir}.%{v}._spf.%{d2}"), at("2001:db8::cb01"), around)).toBe(
    "1.0.B.C.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.B.D.0.1.0.0.2.ip6._spf.example.com",
  );
});

test("an explanation is printable ASCII on one line, however long and odd the sender is", () => {
  fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 2000 }), (local) => {
    const subject = at("192.0.2.3", { local, sender: `${local}@example.com` });
    expect(expandExplanation(macros("%{s}: %{L}".repeat(20)), subject, around)).toMatch(/^[ -~]{0,400}$/);
  }));
});

test("a domain keeps the labels on the right that fit into a name", () => {
  const label = fc.stringMatching(/^[a-z0-9]{1,63}$/);
  fc.assert(fc.property(fc.array(label, { minLength: 1, maxLength: 40 }), fc.boolean(), (labels, macro) => {
    const whole = labels.join(".");
    const spec = parseMacroString(macro ? "%{l}." : `${whole}.`);
    if ("fault" in spec) throw new Error(spec.fault);
    const name = expandDomain(spec, at("192.0.2.3", { local: whole }), around);
    expect(name.length).toBeLessThanOrEqual(253);
    expect(`.${whole}`.endsWith(`.${name}`)).toBe(true);
    const next = labels.length - name.split(".").length - 1;
    if (next >= 0) expect(name.length + 1 + labels[next]!.length).toBeGreaterThan(253);
  }));
});

test("a record full of long macros costs no more than a name is long", () => {
  const spec = macros(`${"%{s}".repeat(16_000)}.example.com`);
  const subject = at("192.0.2.3", { sender: `${"x.".repeat(1000)}@example.com` });
  expect(expandDomain(spec, subject, around).length).toBeLessThanOrEqual(253);
});
