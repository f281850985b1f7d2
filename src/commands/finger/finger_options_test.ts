import { expect, test } from "bun:test";
import fc from "fast-check";
import { FINGER_LETTERS, FingerFault, parseFingerOptions, UsageFault } from "./_finger_options.ts";

test("options end with the destination, values stand behind or in the argument", () => {
  expect(parseFingerOptions(["-cC", "-t5", "-T", "7", "-r", "2", "x.example", "-c", "match"])).toMatchObject({
    chat: false,
    printsChain: true,
    connectTimeout: 5000,
    commandTimeout: 7000,
    reconnectAfter: 2,
    destination: "x.example",
    match: ["-c", "match"],
  });
  expect(parseFingerOptions(["--", "-x"])).toMatchObject({ destination: "-x" });
});

test("without a key file the key stands in the certificate's, and the other way round", () => {
  const files = (...args: readonly string[]) => {
    const { parameters } = parseFingerOptions([...args, "x.example"]);
    return [parameters.smtp_tls_cert_file, parameters.smtp_tls_key_file];
  };
  expect(files("-k", "/c")).toEqual(["/c", "/c"]);
  expect(files("-K", "/k")).toEqual(["/k", "/k"]);
  expect(files("-k", "/c", "-K", "/k")).toEqual(["/c", "/k"]);
  expect(files("-K", "/k", "-k", "/c")).toEqual(["/c", "/k"]);
});

test("chain files gather, parameters are overridden, and a delay of 0 is none", () => {
  const { parameters, reconnectAfter } = parseFingerOptions(
    ["-H", "/a", "-H", "/b", "-o", "myhostname = me.example", "-r", "0", "x.example"],
  );
  expect(parameters).toMatchObject({ smtp_tls_chain_files: "/a /b", myhostname: "me.example" });
  expect(reconnectAfter).toBeUndefined();
});

test("any arguments are read, or refused in one of the two ways", () => {
  const word = fc.oneof(
    fc.string({ maxLength: 6 }),
    fc.constantFrom(...FINGER_LETTERS.replaceAll(":", "")).map((letter) => `-${letter}`),
  );
  fc.assert(fc.property(fc.array(word, { maxLength: 8 }), (args) => {
    try {
      expect(parseFingerOptions(args).destination).toBeString();
    } catch (error) {
      if (!(error instanceof UsageFault) && !(error instanceof FingerFault)) throw error;
    }
  }));
});
