import { describe, expect, test } from "bun:test";
import { parseStored, type StoredPassword } from "../password/stored_password.ts";
import { Decoys } from "./decoys.ts";

function stored(text: string): StoredPassword {
  const parsed = parseStored(text);
  if ("is" in parsed) throw new Error(parsed.why);
  return parsed[0]!;
}

const NOBODY = stored("{PLAIN}nobody's");
const ARGON = (salt: string, memory = 19456) =>
  stored(`$argon2id$v=19$m=${memory},t=2,p=1$${salt}$woFsjMeaaxi0V7l9`);
const CRYPT = (salt: string, rounds = "") => stored(`$6$${rounds}${salt}$abcdefghij`);
const KEY = Buffer.alloc(32, 7);
const NAMES = Array.from({ length: 2000 }, (_, at) => `user${at}@example.com`);

/** How many of the names seem to have each of the passwords. */
function shares(decoys: Decoys): Map<StoredPassword, number> {
  const counts = new Map<StoredPassword, number>();
  for (const name of NAMES) counts.set(decoys.for(name), (counts.get(decoys.for(name)) ?? 0) + 1);
  return counts;
}

describe("users who are not there", () => {
  test("are compared with what users have, for as many names as in proportion have it", () => {
    const decoys = new Decoys(KEY, NOBODY);
    expect([...shares(decoys).keys()]).toEqual([NOBODY]);
    const [argon, crypt] = [ARGON("aaaa"), CRYPT("saltsalt")];
    for (let user = 0; user < 30; user++) decoys.saw(`a${user}`, user === 0 ? argon : ARGON(`salt${user}`));
    for (let user = 0; user < 10; user++) decoys.saw(`c${user}`, user === 0 ? crypt : CRYPT(`salt${user}`));
    const counts = shares(decoys);
    expect(new Set(counts.keys())).toEqual(new Set([argon, crypt]));
    expect(counts.get(argon)! / NAMES.length).toBeWithin(0.7, 0.8);
  });

  test("have the same kind each time, whoever logs in meanwhile, and with every worker", () => {
    const [one, other] = [new Decoys(KEY, NOBODY), new Decoys(KEY, NOBODY)];
    const users = [["ann", ARGON("aaaa")], ["bob", CRYPT("saltsalt")], ["cat", ARGON("bbbb")]] as const;
    for (const [name, password] of users) one.saw(name, password);
    for (const [name, password] of users.toReversed()) other.saw(name, password);
    const first = NAMES.map((name) => one.for(name).is);
    expect(NAMES.map((name) => other.for(name).is)).toEqual(first);
    for (let login = 0; login < 100; login++) one.saw("bob", users[1][1]);
    expect(NAMES.map((name) => one.for(name).is)).toEqual(first);
    expect(new Set(first)).toEqual(new Set(["argon2", "crypt"]));
    // Whoever does not know the key cannot tell beforehand.
    const elsewhere = new Decoys(Buffer.alloc(32, 8), NOBODY);
    for (const [name, password] of users) elsewhere.saw(name, password);
    expect(NAMES.map((name) => elsewhere.for(name).is)).not.toEqual(first);
  });

  test("follow what a hash costs, not only what it is called", () => {
    const decoys = new Decoys(KEY, NOBODY);
    const kinds = [
      ARGON("aaaa"),
      ARGON("aaaa", 65536),
      CRYPT("salt"),
      CRYPT("salt", "rounds=100000$"),
      stored(`$2y$10$${"a".repeat(53)}`),
      stored(`$2y$12$${"a".repeat(53)}`),
      stored("$y$j9T$salt$hash"),
      stored("$y$jD5$salt$hash"),
    ];
    kinds.forEach((kind, at) => decoys.saw(`user${at}`, kind));
    expect(shares(decoys).size).toBe(kinds.length);
  });

  test("are like a user as he is now", () => {
    const decoys = new Decoys(KEY, NOBODY);
    decoys.saw("ann", CRYPT("salt"));
    const now = ARGON("aaaa");
    decoys.saw("ann", now);
    expect([...shares(decoys).keys()]).toEqual([now]);
  });
});
