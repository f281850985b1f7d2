import { expect, test } from "bun:test";
import { facts, policyKit } from "../../../test/kit/policy.ts";
import type { Reply } from "../../smtp/reply.ts";
import { createServiceFooter } from "./reject_footer.ts";

const REFUSED: Reply = { code: 550, status: "5.7.1", lines: ["no"] };

function footer(value: string, maps = "") {
  const { settings, openTables } = policyKit(
    `myhostname = mail.example.com\nsmtpd_reject_footer = ${value}\nsmtpd_reject_footer_maps = ${maps}\n`,
  );
  return createServiceFooter(settings, openTables, () => Date.UTC(2026, 0, 2, 3, 4, 5));
}

test.each([
  ["For help, call 1234.", ["no", "For help, call 1234."]],
  ["\\c; see mail.example.com", ["no; see mail.example.com"]],
  ["one\\ntwo", ["no", "one", "two"]],
  ["\\c, sorry\\ntwo", ["no, sorry", "two"]],
  ["$client_address by $server_name for $recipient_domain", [
    "no",
    "192.0.2.7 by mail.example.com for example.com",
  ]],
  ["${sender_name?{user $sender_name}:{nobody}}", ["no", "user ann"]],
  ["$sender and $reverse_client_name $helo_name", [
    "no",
    "ann@example.org and client.example.org client.example.org",
  ]],
  ["${broken", ["no"]],
])("the footer %j gives %j", async (template, lines) => {
  expect((await footer(template)?.(REFUSED, facts()))?.lines).toEqual(lines);
});

test("replies that accept have no footer", async () => {
  const ok: Reply = { code: 250, status: "2.1.0", lines: ["Ok"] };
  expect(await footer("x")?.(ok, facts())).toEqual(ok);
});

test("what a client says is never expanded again", async () => {
  const lines = (await footer("$sender")?.(REFUSED, facts({ sender: "$server_name@x" })))?.lines;
  expect(lines).toEqual(["no", "$server_name@x"]);
});

test("characters outside smtpd_expansion_filter become _", async () => {
  const lines = (await footer("$sender")?.(REFUSED, facts({ sender: "a\r\nb\u00e9@x" })))?.lines;
  expect(lines).toEqual(["no", "a__b_@x"]);
});

test("smtpd_reject_footer_maps goes first and is asked with the reply", async () => {
  const add = footer("usual", "regexp:{{/^550 5\\.7\\.1 no/ special}}");
  expect((await add?.(REFUSED, facts()))?.lines).toEqual(["no", "special"]);
  expect((await add?.({ ...REFUSED, code: 554 }, facts()))?.lines).toEqual(["no", "usual"]);
});

test("no parameter, no work", () => {
  expect(footer("")).toBeUndefined();
});
