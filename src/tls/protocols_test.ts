import { expect, test } from "bun:test";
import { parseProtocols } from "./protocols.ts";

const ROWS: readonly [string, string][] = [
  ["", "TLSv1 TLSv1.3"],
  [">=TLSv1", "TLSv1 TLSv1.3"],
  ["!SSLv2, !SSLv3", "TLSv1 TLSv1.3"],
  ["!SSLv2,!SSLv3,!TLSv1,!TLSv1.1", "TLSv1.2 TLSv1.3"],
  ["!sslv2:!tlsv1 !TLSV1.1", "TLSv1.2 TLSv1.3"],
  [">=TLSv1.2", "TLSv1.2 TLSv1.3"],
  [">=TLSv1.1, <=TLSv1.2", "TLSv1.1 TLSv1.2"],
  [">=0303 <=0x0303", "TLSv1.2 TLSv1.2"],
  [">=none", "TLSv1 TLSv1.3"],
  [">=SSLv3", "TLSv1 TLSv1.3"],
  ["<=0400", "TLSv1 TLSv1.3"],
  ["TLSv1.2", "TLSv1.2 TLSv1.2"],
  ["TLSv1.2 TLSv1.3", "TLSv1.2 TLSv1.3"],
  ["SSLv3 TLSv1", "TLSv1 TLSv1"],
  ["TLSv1.2 TLSv1.3 !TLSv1.3", "TLSv1.2 TLSv1.2"],
  ["!TLSv1.1", "TLSv1.2 TLSv1.3"],
  ["TLSv1 TLSv1.3", "TLSv1.3 TLSv1.3"],
];

test.each(ROWS)("parseProtocols() reads %j as %s", (text, range) => {
  const read = parseProtocols(text);
  expect("problem" in read ? read.problem : `${read.lowest} ${read.highest}`).toBe(range);
});

test.each([["TLSv1.4"], ["!bogus"], [">=TLSv9"], [">"], ["!"], ["TLSv1.2;TLSv1.3"]])(
  "parseProtocols() refuses %j in Postfix's words",
  (text) => {
    expect(parseProtocols(text)).toEqual({
      problem: `Invalid TLS protocol list "${text}": disabling TLS support`,
    });
  },
);

test.each([["SSLv3"], ["<=SSLv3"], [">=0400"], [">=TLSv1.3, !TLSv1.3"]])(
  "parseProtocols() says that %j leaves none",
  (text) => {
    expect(parseProtocols(text)).toEqual({
      problem: `TLS protocol list "${text}" leaves none: disabling TLS support`,
    });
  },
);
