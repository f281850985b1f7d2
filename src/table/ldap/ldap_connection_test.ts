import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { BerReader, BerWriter } from "ldapts";
import type { Connection } from "../../platform/socket/connection.ts";
import { acceptsStartTls, type LdapSearch } from "./ldap_codec.ts";
import { LdapConnection } from "./ldap_connection.ts";
import { LARGEST_MESSAGE } from "./ldap_frames.ts";
import { LdapFault } from "./ldap_result_codes.ts";

const SEARCH: LdapSearch = {
  base: "dc=example",
  scope: "sub",
  filter: { is: "equal", attribute: "mail", value: Buffer.from("a@b") },
  attributes: ["mail", "cn"],
  sizeLimit: 0,
  timeLimit: 10,
  dereference: 0,
};

/** A connection whose other end is the test. */
function line(timeout = 1000) {
  const sent: Buffer[] = [];
  let destroyed = false;
  const unused = () => {
    throw new Error("not for tests");
  };
  const stream: Connection = {
    local: { address: "", port: 0 },
    remote: { address: "", port: 0 },
    write: (bytes) => sent.push(Buffer.from(bytes)) > 0,
    unsent: 0,
    pause: unused,
    resume: unused,
    setTimeout: unused,
    setHandler: unused,
    startTls: unused,
    end: () => void (destroyed = true),
    destroy: () => void (destroyed = true),
    get socket(): never {
      return unused();
    },
  };
  const connection = new LdapConnection(timeout).attach(stream);
  const { signal } = new AbortController();
  return {
    connection,
    sent,
    signal,
    search: () => connection.search(SEARCH, signal),
    isDestroyed: () => destroyed,
    ids: () => sent.map(messageId),
  };
}

function messageId(message: Buffer): number {
  const reader = new BerReader(message);
  reader.readSequence();
  return reader.readInt() ?? -1;
}

function message(id: number, tag: number, write: (writer: BerWriter) => void): Buffer {
  const writer = new BerWriter();
  writer.startSequence();
  writer.writeInt(id);
  writer.startSequence(tag);
  write(writer);
  writer.endSequence();
  writer.endSequence();
  return Buffer.from(writer.buffer);
}

const entry = (id: number, dn: string, attributes: Readonly<Record<string, readonly string[]>>) =>
  message(id, 0x64, (writer) => {
    writer.writeString(dn);
    writer.startSequence();
    for (const [name, values] of Object.entries(attributes)) {
      writer.startSequence();
      writer.writeString(name);
      writer.startSequence(0x31);
      for (const value of values) writer.writeString(value);
      writer.endSequence();
      writer.endSequence();
    }
    writer.endSequence();
  });

const result = (id: number, code: number, text = "", tag = 0x65) =>
  message(id, tag, (writer) => {
    writer.writeEnumeration(code);
    writer.writeString("");
    writer.writeString(text);
  });

const outcome = (promise: Promise<unknown>) =>
  promise.then(() => "found", (error) => error instanceof LdapFault ? error.code : String(error));

describe("an LDAP connection", () => {
  test("gives each search its own entries, however they are mixed and cut", async () => {
    const { connection, search, ids } = line();
    const both = [search(), search()];
    await Bun.sleep(0);
    const [one, two] = ids() as [number, number];
    const stream = Buffer.concat([
      entry(two, "cn=two", { mail: ["2@x"] }),
      entry(one, "cn=one", { mail: ["1@x", "1@y"], cn: ["ö"] }),
      result(two, 0),
      message(one, 0x73, (writer) => writer.writeString("ldap://other/")),
      result(one, 0),
    ]);
    for (const byte of stream) connection.data(Buffer.from([byte]));
    const [first, second] = await Promise.all(both);
    expect(
      first!.entries.map((
        { dn, attributes },
      ) => [dn, attributes.map(({ name, values }) => [name, ...values.map(String)])]),
    )
      .toEqual([["cn=one", [["mail", "1@x", "1@y"], ["cn", "ö"]]]]);
    expect(first!.referrals).toEqual([["ldap://other/"]]);
    expect(second!.entries.map(({ dn }) => dn)).toEqual(["cn=two"]);
  });

  test("a refusal has the server's code and words", async () => {
    const { connection, search, ids } = line();
    const asked = search();
    await Bun.sleep(0);
    connection.data(result(ids()[0]!, 50, "no read access"));
    await expect(asked).rejects.toThrow("Insufficient access: no read access");
    expect(connection.usable).toBe(true);
  });

  test("a notice of disconnection ends what is under way", async () => {
    const { connection, search } = line();
    const asked = outcome(search());
    await Bun.sleep(0);
    connection.data(result(0, 52, "shutting down", 0x78));
    expect([await asked, connection.usable]).toEqual([-1, false]);
  });

  test("a search that takes too long is abandoned; a server that says nothing at all is given up", async () => {
    const { connection, search, sent, ids, isDestroyed } = line(30);
    const [slow, quick] = [outcome(search()), outcome(search())];
    await Bun.sleep(0);
    connection.data(result(ids()[1]!, 0));
    expect(await quick).toBe("found");
    expect(await slow).toBe(-5);
    expect(sent.at(-1)![5]).toBe(0x50); // AbandonRequest
    expect([connection.usable, isDestroyed()]).toEqual([true, false]);
    expect(await outcome(search())).toBe(-5);
    expect([connection.usable, isDestroyed()]).toEqual([false, true]);
  });

  test("no more than 32 searches are put to the server at a time, and those given up make room", async () => {
    const { connection, ids, signal, sent } = line();
    const controllers = Array.from({ length: 40 }, () => new AbortController());
    const asked = controllers.map((controller) => outcome(connection.search(SEARCH, controller.signal)));
    await Bun.sleep(0);
    expect(sent.length).toBe(32);
    controllers[35]!.abort(new LdapFault(-5)); // one that waits
    controllers[0]!.abort(new LdapFault(-5)); // one that is under way
    await Bun.sleep(0);
    expect(sent.filter((bytes) => bytes[5] === 0x63).length).toBe(33);
    for (let done = 0; done < 60; done++) {
      for (const id of ids()) connection.data(result(id, 0));
      await Bun.sleep(0);
    }
    const codes = await Promise.all(asked);
    expect(codes.map((code, at) => [at, code]).filter(([, code]) => code !== "found")).toEqual([[0, -5], [
      35,
      -5,
    ]]);
    expect(signal.aborted).toBe(false);
  });

  test.each([
    ["what is no LDAP", Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n")],
    ["a length without end", Buffer.from([0x30, 0x80, 0, 0])],
    ["a message that is too large", Buffer.concat([Buffer.from([0x30, 0x84]), be32(LARGEST_MESSAGE + 1)])],
    ["an element longer than its message", Buffer.from([0x30, 0x05, 0x02, 0x01, 0x01, 0x64, 0x7f])],
    ["an attribute longer than its entry", Buffer.from("300d02010164080400300430020a7f", "hex")],
    ["values longer than their set", Buffer.from("3013020101640e0400300a30080401613103040407", "hex")],
    ["a response that nobody asks for", message(1, 0x68, () => {})],
  ])("%s ends the connection, at once and for all that is under way", async (_, bytes) => {
    const { connection, search, isDestroyed } = line();
    const asked = outcome(search());
    await Bun.sleep(0);
    connection.data(bytes);
    expect(await asked).toBe(-4);
    expect([connection.usable, isDestroyed()]).toEqual([false, true]);
    expect(await outcome(search())).toBe(-4);
  });

  test("mutated messages end in results or faults, never in a throw and never in a loop", async () => {
    const good = Buffer.concat([
      entry(1, "cn=a,dc=example", { mail: ["a@example.org", "b@example.org"], cn: ["a"], empty: [] }),
      entry(1, "cn=b,dc=example", { memberURL: ["ldap:///dc=x??sub?(cn=*)"] }),
      message(1, 0x73, (writer) => writer.writeString("ldap://other/")),
      result(1, 0, "done"),
    ]);
    const change = fc.record({ at: fc.nat(good.length - 1), to: fc.nat(255) });
    const changes = fc.array(change, { minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(changes, fc.nat(good.length), async (list, cut) => {
        const bytes = Buffer.from(good);
        for (const { at, to } of list) bytes[at] = to;
        const { connection, search } = line();
        const asked = outcome(search());
        await Promise.resolve();
        connection.data(bytes.subarray(0, cut));
        connection.data(bytes.subarray(cut));
        connection.close();
        expect(await asked).not.toBeUndefined();
      }),
      { numRuns: 3000 },
    );
  }, 30_000);
});

function be32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

describe("the answer to STARTTLS", () => {
  const yes = result(1, 0, "", 0x78);
  test("is waited for, and has nothing behind it", () => {
    expect(acceptsStartTls(yes.subarray(0, 5))).toBe(false);
    expect(acceptsStartTls(yes)).toBe(true);
    expect(() => acceptsStartTls(Buffer.concat([yes, Buffer.from([0x30])]))).toThrow(
      "between STARTTLS and TLS",
    );
    expect(() => acceptsStartTls(Buffer.concat([yes, yes]))).toThrow("between STARTTLS and TLS");
  });
  test("that is a refusal is a fault", () => {
    expect(() => acceptsStartTls(result(1, 2, "unsupported extended operation", 0x78)))
      .toThrow("Unable to set STARTTLS: 2: Protocol error: unsupported extended operation");
    expect(() => acceptsStartTls(entry(1, "cn=a", {}))).toThrow("Unable to set STARTTLS");
  });
});
