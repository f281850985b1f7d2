import type { CommandContext } from "../command.ts";
import { wrapLine } from "../../base/wrap.ts";
import { writeErr, writeOut } from "../../platform/process/this_process.ts";

const NOTHING_INSTALLED =
  "nothing is installed beside the program: mta makes its folders with the right owners at each start";

/** Commands of postfix(1) that are not there, and what to do instead. */
export const REPLACED: Readonly<Record<string, string>> = {
  drain: 'use "mta stop": it lets what is in flight end',
  "quick-stop": 'use "mta abort": it ends all at once',
  "set-permissions": `${NOTHING_INSTALLED}; "mta check" names what is wrong with them`,
  "upgrade-configuration":
    'main.cf and master.cf are read as they are, and are not changed; "mta check" says what in them has no effect',
  "post-install": NOTHING_INSTALLED,
  tls:
    'mta postconf -e "acme_domains = $myhostname" orders a certificate (docs/tls.md); one from elsewhere is named with it, too',
};

/** Says what there is in place of a command of postfix(1); exit status 1. */
export function replaced({ name, args }: CommandContext): number {
  if (args[0] === "--help" || args[0] === "-h") {
    const lines = wrapLine(`Not available: ${REPLACED[name]}.`, 78, 0);
    writeOut(`usage: mta ${name}\n\n${lines.join("\n")}\n`);
    return 0;
  }
  writeErr(`postfix/postfix-script: fatal: ${name}: not available: ${REPLACED[name]}\n`);
  return 1;
}
