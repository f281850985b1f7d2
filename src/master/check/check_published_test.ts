import { expect, test } from "bun:test";
import { loadConfiguration } from "../../config/load.ts";
import { checkPublished } from "./check_published.ts";

function findings(...lines: readonly string[]): readonly (string | undefined)[] {
  const loaded = loadConfiguration({
    directory: "/nonexistent",
    texts: {
      main: [...lines, ""].join("\n"),
      master: "smtp unix - - n - - smtp\nrelay unix - - n - - smtp\nlmtp unix - - n - - lmtp\n",
      overrides: [],
    },
    users: { userByName: (name) => ({ name, uid: 1, gid: 1 }), userById: () => undefined, isRoot: false },
  });
  if (loaded.is === "bad") throw new Error(JSON.stringify(loaded.errors));
  return checkPublished(loaded.configuration).map(({ parameter }) => parameter);
}

test("MTA-STS and reports that the level leaves without effect are told, once for all clients", () => {
  const both = ["smtp_mta_sts_enable = yes", "smtp_tlsrpt_enable = yes"];
  expect(findings(...both)).toEqual(["smtp_mta_sts_enable", "smtp_tlsrpt_enable"]);
  expect(findings(...both, "smtp_tls_security_level = secure")).toEqual(["smtp_mta_sts_enable"]);
  for (const level of ["may", "encrypt", "dane"]) {
    expect(findings(...both, `smtp_tls_security_level = ${level}`)).toEqual([]);
  }
  expect(findings()).toEqual([]);
});
