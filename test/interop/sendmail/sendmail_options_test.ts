// Each option of sendmail(1), alone and with others, beside the real one: exit status, what is said, and what is dropped.
import { expect, setDefaultTimeout } from "bun:test";
import { withPeers } from "../../kit/peers.ts";
import {
  callOurs,
  callReal,
  type SendmailCall,
  type SendmailOutcome,
} from "../../kit/scenes/sendmail_pair.ts";

setDefaultTimeout(180_000);
const { test } = withPeers(import.meta.path, "dist/mta", "postfix", "root");

/** Words of each call; the message is the usual one. */
const OPTIONS: readonly string[] = [
  "ann@example.com",
  "ann bob@example.com",
  "",
  "-t",
  "-z ann",
  "-zy ann",
  "-f",
  "ann -v",
  "-v ann",
  "-v -v ann",
  "-i ann",
  "-- -x",
  "- ann",
  "-n ann",
  "-f sender@example.com ann",
  "-fsender@example.com ann",
  "-r sender@example.com ann",
  "-f one@example.com -r two@example.com ann",
  "-f <> ann",
  "-F Full ann",
  "-FFull ann",
  "-B 8BITMIME ann",
  "-B 7BIT ann",
  "-B foo ann",
  "-B 8bitmime ann",
  "-N success,delay ann bob",
  "-N never ann",
  "-N NEVER ann",
  "-N never,delay ann",
  "-N foo ann",
  "-N success,foo ann",
  "-N delay,,success ann",
  "-R full ann",
  "-R hdrs ann",
  "-R HDRS ann",
  "-R foo ann",
  "-V envid ann",
  "-V ab ann",
  "-V -i ann",
  "-V+= ann",
  "-Vab ann",
  "-Vabc ann",
  `-V ${"x".repeat(101)} ann`,
  `-V ${"x".repeat(100)} ann`,
  "-XV ann",
  "-XV+= ann",
  "-XVab ann",
  "-XV+ ann",
  "-X log ann",
  "-Xlog ann",
  "-XV -f <> ann",
  "-G ann",
  "-bm ann",
  "-bv ann bob",
  "-bv",
  "-bv -f <> ann",
  "-bv -t ann",
  "-bv -N never ann",
  "-bv -R full ann",
  "-bv -v ann",
  "-bv -v -v ann",
  "-bz ann",
  "-b",
  "-bh",
  "-bH ann",
  "-bp ann",
  "-bi ann",
  "-bs ann",
  "-bd ann",
  "-bl ann",
  "-I ann",
  "-I",
  "-bi",
  "-oA",
  "-oA/none ann",
  "-t -bp",
  "-t -I",
  "-q ann",
  "-q -bd ann",
  "-bd -q ann",
  "-q5m",
  "-q5m ann",
  "-qSsite",
  "-qx",
  "-qR",
  "-qI",
  "-q R",
  "-qRx -bp",
  "-qIx -q",
  "-qRsite ann",
  "-qIid ann",
  "-Am ann",
  "-Ac ann",
  "-h 5 ann",
  "-L label ann",
  "-m ann",
  "-O foo=bar ann",
  "-o7 ann",
  "-o8 -oi -om ann",
  "-o x ann",
  "-oem -odb ann",
  "-U ann",
  "-c ann",
  "-e x ann",
  "-ei ann",
  "-p x ann",
  "-x ann",
  "-s ann",
  "-ti ann",
  "-it",
  "-tf sender@example.com ann",
  "-C/none ann",
];

/** Calls with more than words. */
const CALLS: Readonly<Record<string, SendmailCall>> = {
  "NAME": { args: ["ann"], env: { NAME: "Env Name" } },
  "-F before NAME": { args: ["-F", "", "ann"], env: { NAME: "Env Name" } },
  "-f with nothing": { args: ["-f", "", "ann"] },
  "-f of two": { args: ["-f", "a@b c@d", "ann"] },
  "-f of two with a comma": { args: ["-f", "a@b, c@d", "ann"] },
  "-f with a name": { args: ["-f", "Foo Bar <a@b>", "ann"] },
  "-f quoted": { args: ["-f", '"a b"@example.com', "ann"] },
  "-f with a comment": { args: ["-f", "a@example.com (a, b)", "ann"] },
  "-V with a tab": { args: ["-V", "a\tb", "ann"] },
  "-V with a line end": { args: ["-V", "a\nb", "ann"] },
  "recipients as headers have them": {
    args: [
      "a@b, c@d",
      "Foo Bar <e@f>",
      "",
      ",",
      "<>",
      "a b",
      '"a b"@c',
      "@r:a@b",
      "x!y",
      "g:;",
      "g: a@b;",
      "(c) d@e",
    ],
  },
  "-bv with odd recipients": { args: ["-bv", "Foo Bar <e@f>", "a@b, c@d"] },
  "mailq": { args: ["ann"], name: "mailq" },
  "newaliases": { args: ["ann"], name: "newaliases" },
  "mailq -bm": { args: ["-bm", "ann"], name: "mailq" },
  "mailq -t": { args: ["-t"], name: "mailq" },
  "another name": { args: ["-z", "ann"], name: "/usr/lib/sendmail" },
  "verp_delimiter_filter": {
    args: ["-XVab", "ann"],
    mainCf: { verp_delimiter_filter: "abc", default_verp_delimiters: "ac" },
  },
  "default_verp_delimiters": { args: ["-XV", "ann"], mainCf: { default_verp_delimiters: "-=" } },
  "sendmail_fix_line_endings": { args: ["ann"], mainCf: { sendmail_fix_line_endings: "Always" } },
  "authorized_submit_users": { args: ["ann"], mainCf: { authorized_submit_users: "!root, static:all" } },
  "authorized_submit_users by name": { args: ["ann"], mainCf: { authorized_submit_users: "daemon root" } },
  "authorized_submit_users without": { args: ["ann"], mainCf: { authorized_submit_users: "daemon" } },
  "authorized_submit_users empty": { args: ["ann"], mainCf: { authorized_submit_users: "" } },
  "authorized_submit_users and -bs": { args: ["-bs"], mainCf: { authorized_submit_users: "daemon" } },
  "authorized_submit_users by table": {
    args: ["ann"],
    mainCf: { authorized_submit_users: "inline:{daemon=x, root=y}" },
  },
  "local_login_sender_maps": {
    args: ["-f", "a@example.com", "ann"],
    mainCf: { local_login_sender_maps: "inline:{{root=root @example.org}}" },
  },
  "local_login_sender_maps and the login name": {
    args: ["ann"],
    mainCf: { local_login_sender_maps: "inline:{root=root}" },
  },
  "local_login_sender_maps without -f": { args: ["ann"], mainCf: { local_login_sender_maps: "" } },
  "message_size_limit": {
    args: ["ann"],
    input: `Subject: x\n\n${"a line of text\n".repeat(2000)}`,
    mainCf: { message_size_limit: "20000" },
  },
};

/** Messages, for -t, and without for `ann`. */
const INPUTS: readonly string[] = [
  "",
  "\n",
  ".",
  ".\n",
  "no newline",
  "To: a@b",
  "To: a@b\n\n",
  "From foo bar\n>From x\n>>From y\nTo: a@b\n\nbody\n",
  "\nFrom foo bar\nTo: a@b\n\nbody\n",
  "To: a@b\n\n.\nafter\n",
  "To: a@b\n\n..\n.b\nafter\n.",
  "To: a@b\r\n\r\nb\r\n.\r\nafter\r\n",
  "To: a@b\r\n\r\nb\r\r\nx\r y\n z\r\n",
  "To: a@b\n\nc\0d\n\x80\xff\n",
  `To: a@b\n\n${"x".repeat(5000)}\n.\n`,
  `To: a@b\n\n${"x".repeat(2048)}\n.\nrest\n`,
  'To: a@b (com, x@y), "q x"@z, <r@s>, grp: m@n, o@p;, <@route:u@v>, bare, a b c, <>\n\n',
  "To:c@d\nCC: e@f,\n g@h\nBcc: i@j\nApparently-To: k@l\n\nbody\n",
  "To: c@d\nResent-To: r@s\nBcc: x@y\nResent-Bcc: t@u\nResent-Cc: v@w\n\n",
  "Resent-To: r@s\nTo: c@d\n\n",
  "Apparently-To: i@j\n\n",
  "To: undisclosed-recipients:;\n\n",
  "foo\nTo: a@b\n\n",
  `To: ${"a@b, ".repeat(30_000)}x@y\n\n`,
];

function expectSame(ours: SendmailOutcome, real: SendmailOutcome): void {
  expect({ ...ours, err: withoutOurNotes(ours.err) }).toEqual(real);
}

/** What ours says more than Postfix, in parentheses at the end of a line. */
const withoutOurNotes = (err: string) => err.replace(/^(.*No such file or directory) \(.*\)$/gm, "$1");

async function compare(call: SendmailCall): Promise<void> {
  const [ours, real] = await Promise.all([callOurs(call), callReal(call)]);
  expectSame(ours, real);
}

for (const words of OPTIONS) {
  test.concurrent(`sendmail ${words.length > 60 ? `${words.slice(0, 60)}...` : words}`, () => {
    const args = words.split(" ").filter((word) => word !== "");
    return compare({ args });
  });
}

for (const [what, call] of Object.entries(CALLS)) test.concurrent(what, () => compare(call));

for (const line_endings of ["always", "strict", "never"]) {
  for (const [at, text] of INPUTS.entries()) {
    for (const args of [["ann"], ["-i", "ann"], ["-t"]]) {
      if (line_endings !== "always" && !text.includes("\r\n")) continue;
      // A header without an end has one in Postfix's drop of -t; here cleanup ends it, as it does without -t.
      if (text === "To: a@b" && args[0] === "-t") continue;
      // Its parser of headers takes a CR off that shall stay.
      if (line_endings === "never" && args[0] === "-t") continue;
      const input = Buffer.from(text, "latin1");
      test.concurrent(`message ${at} ${JSON.stringify(text.slice(0, 40))}, ${args[0]}, ${line_endings}`, () =>
        compare({ args, input, mainCf: { sendmail_fix_line_endings: line_endings } }));
    }
  }
}
