import { expect, test } from "bun:test";
import { generateKey } from "../../mailauth/dkim/signing_key.ts";
import { SigningKeys } from "./signing_keys.ts";

/** One file and a clock, with what was warned of. */
function world() {
  const warnings: string[] = [];
  const file = { text: generateKey("ed25519-sha256"), time: 0, now: 100_000, reads: 0 };
  const keys = new SigningKeys({
    read: () => (file.reads++, file.text),
    stampOf: () => ({ text: `${file.time}`, changed: file.time }),
    now: () => file.now,
  }, (text) => warnings.push(text));
  const entry = { domain: "example.com", selector: "s", source: { path: "/key.pem" } };
  const get = () => {
    const answer = keys.get(entry);
    return "key" in answer ? answer.key.publicKey : answer.fault;
  };
  const change = (text: string) => {
    file.text = text;
    file.time = file.now;
    file.now += 5000;
  };
  return { file, warnings, get, change, keys };
}

test("a key is read once, and again when its file is another one", () => {
  const { file, get, change } = world();
  const first = get();
  expect([get(), file.reads]).toEqual([first, 1]);
  change(generateKey("ed25519-sha256"));
  const second = get();
  expect([second === first, get() === second, file.reads]).toEqual([false, true, 2]);
});

test("where the new file is no good the old key stays in force, which is said once", () => {
  const { file, get, change, warnings } = world();
  const first = get();
  change("no key");
  expect([get(), get()]).toEqual([first, first]);
  file.now += 5000;
  expect(get()).toBe(first);
  expect(warnings).toHaveLength(1);
  expect(warnings[0]).toStartWith("DKIM key s=s d=example.com: /key.pem: ");
  expect(warnings[0]).toEndWith("; the key that was read before stays in force");
  change(generateKey("ed25519-sha256"));
  expect(get()).not.toBe(first);
});

test("a key that is not there at first is found once it is", () => {
  const { file, get, warnings } = world();
  const good = file.text;
  file.text = "no key";
  expect(get()).toContain("/key.pem");
  file.text = good;
  file.now += 5000;
  expect(get()).not.toContain("/key.pem");
  expect(warnings).toHaveLength(1);
});

test("a domain whose new entry has no key that can be had is signed as before, which is said once", () => {
  const { keys, warnings } = world();
  const entry = (selector: string, path: string) => ({ domain: "example.com", selector, source: { path } });
  const broken = { ...entry("new", "/new.pem"), source: { text: "no key" } };
  const names = (entries: Parameters<typeof keys.all>[1]) => {
    const answer = keys.all("example.com", entries);
    return "keys" in answer ? answer.keys.map(({ selector }) => selector).join() : answer.fault;
  };
  expect(names([broken])).toStartWith("DKIM key s=new d=example.com: ");
  expect(names([entry("old", "/key.pem"), broken])).toBe("old");
  const before = warnings.length;
  expect([names([broken]), names([broken])]).toEqual(["old", "old"]);
  expect(warnings.slice(before)).toHaveLength(1);
  expect(warnings.at(-1)).toEndWith("; d=example.com is signed with s=old meanwhile, as before");
});
