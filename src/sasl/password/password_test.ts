import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { isPassword } from "./check_password.ts";
import { BUSY, Gate } from "./gate.ts";
import { MADE_SCHEMES, storedForm } from "./make_password.ts";
import { type NotStored, parseStored, type StoredPassword } from "./stored_password.ts";

const PASSWORD = "Grüße, 1 Welt";

/** Made with `doveadm pw` of Dovecot 2.3.19 and crypt(3) of libxcrypt 4.4.33. */
const WRITTEN_BY_OTHERS = [
  "{SHA1}mKZMgRrya+44Z5yjc6CZWkdQc/o=",
  "{SHA}mKZMgRrya+44Z5yjc6CZWkdQc/o=",
  "{SSHA512}2MaODsItdt1ZzD7CW1twIqdZwXzjdEoMX87A0/YQkJYQ9EnTcrS5MEBGTGMJVes4U5Djx9x5DvQhYwDNdIxPlwFAYD8=",
  "{SCRAM-SHA-256}4096,jJpA564ocUP6zxTp3enChA==,ebVZvIHOpwjBaXUiVBmIxqKWIMwtuILYwfbDhkrE770=,pOsgQCubn7XVYcXibuzmXQjKz6uKlcV/idlyamCRhsU=",
  "{BLF-CRYPT}$2y$05$jhCK3DZF3K3hdJ.MIq38D.II1J2F0e31VQPZANKKnKKCCZ7R5Aoy2",
  `{PLAIN}${PASSWORD}`,
  `{CLEARTEXT}${PASSWORD}`,
  "{PLAIN.B64}R3LDvMOfZSwgMSBXZWx0",
  "{SHA512}vFFq6zlUoQRCKgtARVcyeM9kKFV1sjbdpGMLgRKKUFrSaXfpuYudsgwQRj/2J+1SZStPZmJ4ObnPVhyyF25jIQ==",
  "{CRYPT}$2y$05$pFKhAZYuAXRbhm62YQ0wz.s5KDD507.v8IUX9xMu1QFIcEQP7Zyem",
  "{SSHA}lGlfNTyz16ZaulC/3xJRFb74W1UJSu1n",
  "{MD5-CRYPT}$1$UKyZLsh5$RGGHgnRM2DUZKxUQbo.E8/",
  "{PLAIN-MD5}bd09de5233bf83f150056067a1c542fb",
  "{LDAP-MD5}vQneUjO/g/FQBWBnocVC+w==",
  "{SMD5}5spMT6wCNrD7f7jBSEe/tBsu3Pk=",
  "{SHA512-CRYPT}$6$4Zf0BgNm/hdDFvhS$DGsDL6M1mVC7jrNudGIIH4BQY8.2ie69xcY/HXTABViK1Gx2IM93nxRQMZfmmJWJCaZDtLDhmD2mV5O/R3QFl.",
  "{SHA256-CRYPT}$5$L/w5JJeOlNsKAcnQ$LhbwPQkxu5xHive3Rb7yBwA5mPS8btZXKuVW/xQeEP3",
  "{ARGON2I}$argon2i$v=19$m=32768,t=4,p=1$gn8TBx/PEGJS63FWCuyMNQ$rnJPQS8rqh6o1xKijGaxvqs2C4cBGtwogh1+/o/bnq4",
  "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$S8hrg7yJlhSbhyjVkgtXmw$LkiDaMvIwHRGwKzl53x6+OaRAswfIfxe34J2SSjdpWA",
  "{SSHA256}feWe1Bv9JJY8zezuAgchfdWRl++E6vfaiF3k/dV79UpPLRJT",
  "{SSHA256.HEX}37f35e3773f2742026d5295ef9133a95d30b32420a8b9e0c541385eeb5628a93e785a151",
  "{SHA256}R6msVkUsCGOc5ub6HL0jY/rN+WEdJuJls3oqJ5/mEnI=",
  "{SHA256.B64}R6msVkUsCGOc5ub6HL0jY/rN+WEdJuJls3oqJ5/mEnI=",
  "{PBKDF2}$1$3J8OAbxwAZXVS7wR$5000$ef544df9a79ff059a491107e8f356fd82a91ae4f",
  "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$3aqK/59sTsAUv8qtZW2VlrLuv2N1qy30K5G70wPsbc.",
  "$gy$j9T$F5Jx5fExrKuPp53xLKQ..1$c6lgS9fc7JvGuJgPdOdR6Euid0YN9G8j8G12qdfIAM2",
  "$7$CU..../....2Q9obwLhin8qvQl6sisAO/$PgsEQuORWAUkXOdxMGP0./XBbXa3PV/MYyR9KuwBWCB",
  "{CRYPT}$y$j9T$F5Jx5fExrKuPp53xLKQ..1$3aqK/59sTsAUv8qtZW2VlrLuv2N1qy30K5G70wPsbc.",
];

function onlyOne(value: string): StoredPassword {
  const stored = parseStored(value);
  if ("is" in stored) throw new Error(stored.why);
  expect(stored.length).toBe(1);
  return stored[0]!;
}

const nameOf = (value: string) => /^\{[^}]*\}|^\$[^$]*\$/.exec(value)![0];

describe("what Dovecot and Debian write", () => {
  test.each(WRITTEN_BY_OTHERS.map((value) => [nameOf(value), value] as const))(
    "%s: the password fits, another does not",
    async (_, value) => {
      const stored = onlyOne(value);
      expect(await isPassword(PASSWORD, stored)).toBe(true);
      for (const wrong of ["Grüße, 1 Wel", "grüße, 1 Welt", `${PASSWORD} `, `${PASSWORD}\0`, ""]) {
        expect(await isPassword(wrong, stored)).toBe(false);
      }
    },
  );

  test("a password that was typed in another form of the same characters fits", async () => {
    const decomposed = PASSWORD.normalize("NFD");
    expect(decomposed).not.toBe(PASSWORD);
    for (const value of WRITTEN_BY_OTHERS.slice(0, 4)) {
      expect(await isPassword(decomposed, onlyOne(value))).toBe(true);
    }
  });

  test("bcrypt counts 72 bytes, as crypt(3) does", async () => {
    // crypt.crypt("0123456789" * 8, "$2b$04$abcdefghijklmnopqrstuu") of Python 3.11
    const stored = onlyOne("$2b$04$abcdefghijklmnopqrstuum2G75IXDN/xsgbNa/hCiPSKyIHQd70S");
    expect(await isPassword("0123456789".repeat(8), stored)).toBe(true);
    expect(await isPassword("0123456789".repeat(7), stored)).toBe(false);
  });
});

describe("what is no stored password", () => {
  const SCHEME = "a password needs a scheme in front of it: {PLAIN}, {SHA512-CRYPT}, $6$...";
  test.each([
    ["", "no password"],
    ["secret", SCHEME],
    ["$6$salt", "unknown kind of hash"],
    ["$9$salt$hash", "unknown kind of hash"],
    ["{ROT13}frperg", "unknown password scheme {ROT13}"],
    ["{PLAIN}", "what follows {PLAIN} is no such hash"],
    ["{SHA256}c2hvcnQ=", "what follows {SHA256} is no such hash"],
    ["{SSHA256}R6msVkUsCGOc5ub6HL0jY/rN+WEdJuJls3oqJ5/mEnI=", "what follows {SSHA256} is no such hash"],
    ["{SCRAM-SHA-256}0,AAAA,AAAA,AAAA", "what follows {SCRAM-SHA-256} is no such hash"],
    ["{ARGON2ID}secret", "what follows {ARGON2ID} is no such hash"],
    ["{SHA1}mKZMgRrya+44Z5yjc6CZWkdQc/o= secret", SCHEME],
  ])("%j: %s", (value, why) => {
    expect(parseStored(value) as NotStored).toEqual({ is: "malformed", why });
  });

  test("whatever stands there, the reason does not tell it", () => {
    const piece = fc.constantFrom("{PLAIN}", "{SHA256}", "$6$", "$y$", "{", "}", "$", "SECRET", " ", ".b64}");
    fc.assert(fc.property(fc.array(fc.oneof(piece, fc.string()), { maxLength: 10 }), (pieces) => {
      const stored = parseStored(pieces.join(""));
      if ("is" in stored) expect(stored.why.replace(/\{[A-Za-z0-9-]*\}/g, "")).not.toContain("SECRET");
      else expect(stored.length).toBeGreaterThan(0);
    }));
  });
});

describe("several in one value", () => {
  test("each is there in its order, and a plain one may have blanks", () => {
    const stored = parseStored(
      `{SHA1}mKZMgRrya+44Z5yjc6CZWkdQc/o=  $1$saltsalt$K6klSmBZQg9UMflUmC49Q0 {plain}a b c`,
    );
    expect(stored).toMatchObject([{ is: "digest" }, { is: "crypt" }, { is: "plain", secret: "a b c" }]);
  });
});

describe("what we write", () => {
  test.each(MADE_SCHEMES)("%s is read back and fits", async (scheme) => {
    const value = await storedForm(PASSWORD, scheme);
    const stored = onlyOne(value!);
    expect(await isPassword(PASSWORD, stored)).toBe(true);
    expect(await isPassword("other", stored)).toBe(false);
  });

  test("the same password is never stored the same way twice, unless it is stored as it is", async () => {
    const twice = async (scheme: (typeof MADE_SCHEMES)[number]) =>
      await storedForm(PASSWORD, scheme) === await storedForm(PASSWORD, scheme);
    expect([await twice("ARGON2ID"), await twice("SCRAM-SHA-256")]).toEqual([false, false]);
  });

  test("a password with control characters has no stored form", async () => {
    expect(await storedForm("a\tb", "ARGON2ID")).toBeUndefined();
    expect(await storedForm("", "ARGON2ID")).toBeUndefined();
  });
});

describe("the gate", () => {
  test("so many at a time, so many wait in their order, the rest hear that it is busy", async () => {
    const gate = new Gate({ parallel: 2, waiting: 2 });
    const ends: (() => void)[] = [];
    const started: number[] = [];
    const results = [1, 2, 3, 4, 5].map((number) =>
      gate.pass(() => {
        started.push(number);
        return new Promise<number>((resolve) => ends.push(() => resolve(number)));
      })
    );
    expect(await results[4]!).toBe(BUSY);
    expect(started).toEqual([1, 2]);
    ends[0]!();
    expect(await results[0]!).toBe(1);
    ends[1]!();
    await results[1]!;
    await Promise.resolve();
    expect(started).toEqual([1, 2, 3, 4]);
    ends.slice(2).forEach((end) => end());
    expect(await Promise.all(results.slice(2, 4))).toEqual([3, 4]);
    expect(await gate.pass(async () => "free again")).toBe("free again");
  });

  test("the first rank goes first, and those of another rank take it no place to wait", async () => {
    const gate = new Gate({ parallel: 1, waiting: 2 });
    const done: string[] = [];
    let end = () => {};
    const first = gate.pass(() => new Promise<void>((resolve) => end = resolve));
    const pass = (name: string, rank: 0 | 1 | 2) =>
      gate.pass(() => Promise.resolve(void done.push(name)), rank);
    const guesses = Array.from({ length: 100 }, (_, at) => pass(`guess${at}`, 2));
    const others = [pass("unknown", 1), pass("known", 0)];
    end();
    await first;
    expect((await Promise.all(guesses)).filter((each) => each === BUSY)).toHaveLength(98);
    expect(await Promise.all(others)).not.toContain(BUSY);
    expect(done).toEqual(["known", "unknown", "guess0", "guess1"]);
  });

  test("work that fails gives its place back", async () => {
    const gate = new Gate({ parallel: 1, waiting: 0 });
    const failing = gate.pass(() => Promise.reject(new Error("no library")));
    expect(failing).rejects.toThrow("no library");
    await failing.catch(() => {});
    expect(await gate.pass(async () => 1)).toBe(1);
  });
});

test("comparing holds nothing up: timers run while hashes are made", async () => {
  let ticks = 0;
  const timer = setInterval(() => ticks++, 1);
  const slow = WRITTEN_BY_OTHERS.filter((value) => /argon2|\$y\$|\$6\$/.test(value)).map(onlyOne);
  const before = process.cpuUsage();
  await Promise.all([...slow, ...slow].map((stored) => isPassword(PASSWORD, stored)));
  clearInterval(timer);
  const spent = process.cpuUsage(before);
  // With one blocked thread there would be no tick at all.
  expect(spent.user + spent.system).toBeGreaterThan(50_000);
  expect(ticks).toBeGreaterThan(5);
});
