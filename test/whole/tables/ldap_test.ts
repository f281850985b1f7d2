// A directory behind the compiled binary: groups are expanded, unknown users refused, and a dead directory loses and bounces nothing.
import { expect } from "bun:test";
import { join } from "node:path";
import { DIRECTORY } from "../../kit/servers/ldap_directory.ts";
import { type Server, startServer } from "../../kit/server.ts";
import { type Slapd, startSlapd, SUFFIX } from "../../kit/servers/slapd.ts";
import { sendMessage, talk } from "../../kit/talk.ts";
import { mailbox } from "../../kit/mailbox.ts";
import { withPeers } from "../../kit/peers.ts";
import { startWatch, until } from "../../kit/waiting.ts";

const { afterAll, beforeAll, describe, test } = withPeers(import.meta.path, "dist/mta", "root", "slapd");

let slapd: Slapd;
let server: Server;

const SHARED = () =>
  `server_host = ${slapd.url}\nsearch_base = ${SUFFIX}\nquery_filter = (mail=%s)\ntimeout = 5\n`;
const people = ["ann", "bob", "cat", "katze", "comma"];

beforeAll(async () => {
  slapd = await startSlapd({ ldif: DIRECTORY });
  server = await startServer({
    mainCf: [
      "mydestination = example.org",
      "virtual_alias_maps = ldap:$config_directory/groups.cf",
      "local_recipient_maps = ldap:$config_directory/people.cf",
      `alias_maps = inline:{ ${people.map((name) => `${name}=$mail_spool_directory/${name}`).join(", ")} }`,
      "default_privs = daemon",
      "smtpd_recipient_restrictions = reject_unauth_destination",
    ],
    files: {
      "groups.cf":
        `${SHARED()}result_attribute =\nleaf_result_attribute = mail\nspecial_result_attribute = member\n`,
      "people.cf": `${SHARED()}result_attribute = cn\n`,
    },
  });
});
afterAll(async () => {
  await server?.stop();
  await slapd?.stop();
});

async function reply(recipient: string): Promise<string> {
  const client = await talk(server.port);
  await client.say("EHLO client.example");
  await client.say("MAIL FROM:<me@example.com>");
  const said = await client.say(`RCPT TO:<${recipient}>`);
  client.end();
  return said;
}

describe("virtual_alias_maps and local_recipient_maps in LDAP", () => {
  test("a group's mail comes to every member, of groups in it too", async () => {
    expect(
      await sendMessage(server.port, { from: "me@example.com", to: "staff@example.org", body: "to all" }),
    )
      .toStartWith("250 2.0.0 Ok: queued as ");
    for (const name of people) {
      expect(await mailbox(join(server.directory, "mail", name), "to all")).toContain("to all");
    }
  });

  test("who is not in the directory is refused, also with a name made to match", async () => {
    for (const name of ["nobody", "b*", "**", '"x)(mail=*"']) {
      expect(await reply(`${name}@example.org`)).toMatch(
        /^550 5\.1\.1 .*User unknown in local recipient table/,
      );
    }
    expect(await reply("ann@example.org")).toBe("250 2.1.5 Ok");
  });

  test("a dead directory is 451 at once, the log names the table and why, and it recovers by itself", async () => {
    await slapd.kill();
    expect(await reply("ann@example.org")).toMatch(
      /^451 4\.3\.0 <ann@example\.org>: Temporary lookup failure/,
    );
    const why = /warning: .*ldap:\S+\.cf.*Unable to connect to server ldap:.*Can't contact LDAP server/;
    expect(await server.logged(why)).toBeTruthy();
    const heldUp = startWatch();
    expect(await reply("bob@example.org")).toStartWith("451 4.3.0 ");
    expect(heldUp()).toBe(false);
    await slapd.start();
    await until("it answers again", async () => await reply("ann@example.org") === "250 2.1.5 Ok");
  });
});
