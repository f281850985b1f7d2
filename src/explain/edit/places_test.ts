import { expect, test } from "bun:test";
import { loadConfiguration } from "../../config/load.ts";
import { createPlaces } from "./places.ts";

const MASTER = `smtp inet n - n - - smtpd
# a comment
submission inet n - n - - smtpd
  -o syslog_name=postfix/submission
  -o { smtpd_helo_restrictions = permit }
  -o smtpd_sender_restrictions=reject
`;

function placesOf(service: string, environment: Readonly<Record<string, string>> = {}) {
  const main =
    "mydestination = example.com\nmynetworks =\n  127.0.0.1\nsmtpd_client_restrictions = permit\n" +
    "compatibility_level = 3.6\n";
  const overrides = Object.entries(environment).map(([name, value]) => ({
    name,
    value,
    file: `environment MTA_${name}`,
  }));
  const loaded = loadConfiguration({ directory: "/etc/x", texts: { main, master: MASTER, overrides } });
  if (loaded.is === "bad") throw new Error(JSON.stringify(loaded.errors));
  return createPlaces(
    loaded.configuration,
    loaded.configuration.services.find(({ name }) => name === service)!,
  );
}

test("a parameter stands in main.cf, in the entry of master.cf, in the environment, or nowhere", () => {
  const smtp = placesOf("smtp", { mydestination: "example.org" });
  expect(smtp("mynetworks")).toEqual({ from: "file", file: "/etc/x/main.cf", line: 2 });
  expect(smtp("smtpd_client_restrictions")).toEqual({ from: "file", file: "/etc/x/main.cf", line: 4 });
  expect(smtp("smtpd_helo_restrictions")).toEqual({ from: "default" });
  expect(smtp("mydestination")).toEqual({ from: "environment", name: "environment MTA_mydestination" });
  const submission = placesOf("submission");
  expect(submission("smtpd_helo_restrictions")).toEqual({ from: "file", file: "/etc/x/master.cf", line: 5 });
  expect(submission("smtpd_sender_restrictions")).toEqual({
    from: "file",
    file: "/etc/x/master.cf",
    line: 6,
  });
});
