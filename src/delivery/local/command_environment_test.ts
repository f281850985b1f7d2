import { expect, test } from "bun:test";
import fc from "fast-check";
import { hostileText } from "../../../test/kit/memory/hostile_text.ts";
import type { Envelope } from "../../queue/envelope.ts";
import { commandEnvironment } from "./command.ts";

const FILTER = "1234567890!@%-_=+:,./abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
const SETTINGS = {
  command_expansion_filter: FILTER,
  export_environment: "TZ",
  command_time_limit: 1000,
  local_command_shell: "",
};

test("what a message brings into a command's environment has only the characters of command_expansion_filter", () => {
  fc.assert(fc.property(hostileText, (text) => {
    const origin = { clientName: text, clientAddress: text, helo: text, protocol: text, saslUsername: text };
    const who = {
      envelope: { origin } as unknown as Envelope,
      sender: text,
      recipient: text,
      original: text,
      user: text,
      local: text,
      extension: text,
      domain: text,
      home: "/home/u",
      shell: undefined,
    };
    const environment = commandEnvironment(who, SETTINGS, () => undefined);
    expect(Object.keys(environment)).not.toContain("TZ");
    for (const value of Object.values(environment)) expect(value).toMatch(/^[\w!@%=+:,./-]*$/);
  }));
});
