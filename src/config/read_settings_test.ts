import { describe, expect, test } from "bun:test";
import { fakeWorld } from "../../test/kit/memory/config_world.ts";
import { configurationDirectory } from "./directory.ts";
import { ConfigurationFault } from "./syntax/diagnostic.ts";
import { readSettings } from "./read_settings.ts";
import { decodeText } from "./world.ts";

const read = (main: string, rest = {}) =>
  readSettings({ directory: "/d", world: fakeWorld({ "/d/main.cf": main }), ...rest });

describe("readSettings()", () => {
  test("checks a value only when it is asked for", () => {
    const { settings } = read("soft_bounce = maybe\nmail_name = x\n");
    expect(settings.mail_name).toBe("x");
    expect(() => settings.soft_bounce).toThrow(ConfigurationFault);
    expect(() => settings.soft_bounce).toThrow(
      'bad boolean configuration: soft_bounce = maybe (/d/main.cf, line 1; specify "yes" or "no")',
    );
  });

  test("does without main.cf only when told so", () => {
    const world = fakeWorld();
    expect(() => readSettings({ directory: "/d", world })).toThrow(
      "open /d/main.cf: No such file or directory",
    );
    const { settings } = readSettings({ directory: "/d", world, missing: "defaults" });
    expect(settings.default_database_type).toBe("hash");
  });

  test("lets the command line beat the environment, and that main.cf", () => {
    const rest = { environment: { MTA_mail_name: "e", MTA_relayhost: "e" }, overrides: { relayhost: "c" } };
    const { settings } = read("mail_name = m\nrelayhost = m\nmydomain = m\n", rest);
    expect([settings.mail_name, settings.relayhost, settings.mydomain]).toEqual(["e", "c", "m"]);
  });

  test("joins the lines of an environment variable, and takes no control character in one", () => {
    const environment = { MTA_mynetworks: "10.0.0.0/8\n  192.168.0.0/16\r\n", MTA_mail_name: "file:/f" };
    const world = fakeWorld({ "/d/main.cf": "", "/f": "a\nX-Inj: $b\n" });
    const { settings } = read("", { environment, world });
    expect(settings.mynetworks).toBe("10.0.0.0/8 192.168.0.0/16");
    expect(settings.mail_name).toBe("a X-Inj: $b");
    for (const text of ["a\x01", "a\rb", "a\x7f"]) {
      expect(() => read("", { environment: { MTA_myhostname: text } })).toThrow(
        "the value of myhostname has a control character in it",
      );
    }
  });

  test("stops at a line that it cannot read", () => {
    expect(() => read("foo\n")).toThrow("/d/main.cf, line 1: missing '=' after attribute name: \"foo\"");
  });

  test("config_directory is the one in use, whatever main.cf says", () => {
    expect(read("config_directory = /x\nmail_name = $config_directory\n").settings.mail_name).toBe("/d");
  });
});

test.each([
  ["/c", { MAIL_CONFIG: "/e" }, ["/etc/mta"], "/c"],
  [undefined, { MAIL_CONFIG: "/e" }, ["/etc/mta"], "/e"],
  [undefined, {}, ["/etc/mta", "/etc/postfix"], "/etc/mta"],
  [undefined, {}, ["/etc/postfix"], "/etc/postfix"],
  [undefined, {}, [], "/etc/postfix"],
])("configurationDirectory(%p, %p) with main.cf in %p is %s", (option, environment, present, expected) => {
  const lookup = (name: string) => (environment as Record<string, string>)[name];
  expect(configurationDirectory(option, lookup, (directory) => present.includes(directory))).toBe(expected);
});

test("decodeText() loses no byte without a word", () => {
  expect(decodeText(Buffer.from("caf\u00e9"))).toBe("caf\u00e9");
  expect(decodeText(Uint8Array.of(0x61, 0xe9, 0xff))).toBe("a\u00e9\u00ff");
});
