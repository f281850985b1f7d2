import { expect, test } from "bun:test";
import { settle } from "../../test/kit/memory/fake_clock.ts";
import { memorySmtpd } from "../../test/kit/memory/memory_smtpd.ts";
import { SASL_MAIN_CF } from "../../test/kit/scenes/sasl_sessions.ts";
import type { ErrorClass } from "../smtp/error_class.ts";
import type { SessionNotice } from "../smtp/session_notice.ts";

/** What a postmaster is told of a session in which a client says these lines. */
async function told(
  lines: readonly string[],
  { main = {}, wanted = ["protocol", "policy", "software"] as readonly ErrorClass[] } = {},
): Promise<readonly SessionNotice[]> {
  const notices: SessionNotice[] = [];
  const postmaster = {
    wanted: new Set(wanted),
    isNotice: () => false,
    tell: (notice: SessionNotice) => void notices.push(notice),
  };
  const connection = memorySmtpd(main, { postmaster }).connect();
  for (const line of lines) {
    await settle();
    connection.send(`${line}\r\n`);
  }
  await settle();
  connection.end();
  await settle();
  return notices;
}

test("no password is in a transcript, nor what may be one", async () => {
  const plain = "AGFsaWNlAHNlY3JldA==";
  const main = { ...SASL_MAIN_CF, smtpd_sasl_path: "private/auth", smtpd_error_sleep_time: "0" };
  const [notice] = await told([
    "EHLO x",
    `AUTH PLAIN ${plain}`,
    "NOSUCH",
    "RSET",
    `auth plain ${plain}`,
    plain,
    "STARTTLS",
  ], { main });
  const [other] = await told(["EHLO x", "AUTH PLAIN", plain, "NOSUCH"], { main });
  const lines = [...notice?.lines ?? [], ...other?.lines ?? []];
  const heard = lines.filter((line) => line.startsWith("In:")).map((line) => line.slice(5));
  expect(heard).toEqual([
    "EHLO x",
    "AUTH PLAIN ...",
    "NOSUCH",
    "RSET",
    "auth plain ...",
    "...",
    "STARTTLS",
    "EHLO x",
    "AUTH PLAIN",
    "...",
    "NOSUCH",
  ]);
  expect(lines.join("\n")).not.toContain(plain);
});

test("where the postmaster wants nothing, nothing is kept and nothing is told", async () => {
  expect(await told(["EHLO x", "NOSUCH", "QUIT"], { wanted: [] })).toEqual([]);
  expect(await told(["EHLO x", "NOSUCH", "QUIT"], { wanted: ["software"] })).toEqual([]);
});

test("why a session ended is in the notice when it did not end well", async () => {
  const reasons = [];
  for (const lines of [["EHLO x", "NOSUCH", "QUIT"], ["EHLO x", "NOSUCH"], ["A", "B", "C"]]) {
    const [notice] = await told(lines, {
      main: { smtpd_hard_error_limit: "3", smtpd_error_sleep_time: "0" },
    });
    reasons.push([notice?.reason, notice?.peer, notice?.role]);
  }
  const rest = ["unknown[127.0.0.1]", "SMTP server"];
  expect(reasons).toEqual([[undefined, ...rest], ["lost connection", ...rest], ["too many errors", ...rest]]);
});
