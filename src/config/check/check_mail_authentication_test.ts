import { expect, test } from "bun:test";
import { fakeUsers, fakeWorld } from "../../../test/kit/memory/config_world.ts";
import { loadConfiguration } from "../load.ts";
import { printDiagnostic } from "../syntax/diagnostic.ts";

function told(main: string, options = ""): string[] {
  const world = fakeWorld({
    "/etc/mta/main.cf": `compatibility_level = 3.6\nmyhostname = mx.example.com\n${main}`,
    "/etc/mta/master.cf": `smtp inet n - n - - smtpd\n${options}`,
  });
  const loaded = loadConfiguration({ directory: "/etc/mta", world, users: fakeUsers });
  if (loaded.is === "bad" && !main.includes("not a domain")) {
    throw new Error(loaded.errors.map(printDiagnostic).join());
  }
  const found = loaded.is === "bad" ? loaded.errors : loaded.warnings;
  return found.map(printDiagnostic).filter((text) => /check_d|authentication|seal|permit_/.test(text));
}

const ON = "mail_authentication = yes\n";

test.each([
  ["smtpd_end_of_data_restrictions = check_dmarc\n", "check_dmarc answers 451: no content is checked"],
  [
    `${ON}smtpd_sender_restrictions = check_dkim_access inline:{none=HOLD}\n`,
    "check_dkim_access judges content, and there is none yet",
  ],
  [`${ON}smtpd_proxy_filter = inet:127.0.0.1:1\n`, "smtpd_proxy_filter takes the content"],
  [`${ON}arc_sealing_domain = example.com\n`, "nothing is sealed: there are no keys"],
  [`${ON}arc_sealing_domain = not a domain\n`, "bad arc_sealing_domain value"],
  [
    "arc_sealing_domain = example.com\ndkim_signing_keys = inline:{example.com=s:/k}\n",
    "nothing is sealed: no content is checked",
  ],
  [`${ON}mail_authentication_exempt = permit_mynetwork\n`, "permit_mynetwork"],
])("%j is told", (main, text) => expect(told(main)).toEqual([expect.stringContaining(text)]));

test("what acts is not told", () => {
  expect(told(`${ON}smtpd_end_of_data_restrictions = check_dmarc, check_dkim_access inline:{none=HOLD}\n`))
    .toEqual([]);
  expect(told("smtpd_end_of_data_restrictions = check_dmarc\n", "  -o mail_authentication=yes\n")).toEqual(
    [],
  );
  expect(told(`${ON}arc_sealing_domain = example.com\ndkim_signing_keys = inline:{example.com=s:/k}\n`))
    .toEqual([]);
});
