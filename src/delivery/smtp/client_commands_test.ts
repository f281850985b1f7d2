import { internalAddress } from "../../address/address.ts";
import { expect, test } from "bun:test";
import fc from "fast-check";
import { hostileText } from "../../../test/kit/memory/hostile_text.ts";
import type { Envelope, QueueId } from "../../queue/envelope.ts";
import { parseMail, parseRcpt } from "../../smtp/command.ts";
import { splitWords } from "../../smtp/words.ts";
import { mailCommand, rcptCommand, xforwardCommands } from "./client_commands.ts";
import { type Features, NO_FEATURES } from "../../smtp/server_features.ts";

const FEATURES: Features = {
  ...NO_FEATURES,
  dsn: true,
  xforward: ["NAME", "ADDR", "PORT", "PROTO", "HELO", "IDENT", "SOURCE"],
};

test("no command has a line end in it, whatever the envelope says", () => {
  const given = fc.record({
    envid: hostileText,
    orcpt: hostileText,
    name: hostileText,
    address: hostileText.map(internalAddress),
  });
  fc.assert(fc.property(given, fc.boolean(), ({ envid, orcpt, name, address }, quote) => {
    const recipient = { address, original: address, notify: 3, orcpt: `rfc822;${orcpt}` };
    const envelope: Envelope = {
      id: "ID" as QueueId,
      arrival: 0,
      sender: internalAddress(address),
      recipients: [recipient],
      origin: { clientName: name, clientAddress: name, helo: name, protocol: name },
      envid,
    };
    const facts = {
      sender: address,
      size: 1,
      downgraded: false,
      quote,
      requireTls: false,
      unauthenticated: false,
    };
    const commands = [
      mailCommand(envelope, FEATURES, facts),
      rcptCommand(recipient, address, FEATURES, quote),
      rcptCommand({ ...recipient, orcpt: orcpt }, address, FEATURES, quote),
      rcptCommand({ ...recipient, orcpt: undefined }, address, FEATURES, quote),
      ...xforwardCommands(envelope, FEATURES),
    ];
    for (const command of commands) expect(command).toMatch(/^[^\r\n\0]+\r\n$/);
    expect(commands[0]!.replace(/^[^]*> /, "").slice(0, -2)).toMatch(/^ENVID=[!-~]*$/);
  }));
});

test("what goes out to the next server is what came from the one before", () => {
  const printable = fc.string({ minLength: 1, maxLength: 20, unit: "grapheme-ascii" });
  fc.assert(fc.property(printable, fc.string({ maxLength: 20, unit: "grapheme" }), (envid, original) => {
    const orcpt = `utf-8;${original}`.replace(/[\x00-\x1f\x7f-\x9f]/g, "?");
    const recipient = {
      address: internalAddress("b@example.org"),
      original: internalAddress(""),
      notify: 0,
      orcpt,
    };
    const envelope = { sender: "a@example.org", envid } as unknown as Envelope;
    const facts = {
      sender: "a@example.org",
      size: 1,
      downgraded: false,
      quote: true,
      requireTls: false,
      unauthenticated: false,
    };
    const mail = parseMail(splitWords(mailCommand(envelope, FEATURES, facts)));
    const rcpt = parseRcpt(splitWords(rcptCommand(recipient, recipient.address, FEATURES, true)));
    expect(mail).toMatchObject({ verb: "MAIL", parameters: { envid } });
    expect(rcpt).toMatchObject({ verb: "RCPT", parameters: { orcpt } });
  }));
});
