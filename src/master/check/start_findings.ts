import type { Configuration } from "../../config/service.ts";
import { checkAcme } from "./check_acme.ts";
import { checkDnssec } from "./check_dnssec.ts";
import { checkLogins } from "./logins/check_logins.ts";
import { checkPipes } from "./check_pipes.ts";
import { checkPublished } from "./check_published.ts";
import { checkSrs } from "./check_srs.ts";
import type { Finding } from "./finding.ts";
import { checkSigning } from "./check_signing.ts";
import { unservedEntries } from "./unserved.ts";

/** What is known of the entries of master.cf without opening anything: the start of the service says it, and `mta check`. */
export function startFindings(configuration: Configuration): Finding[] {
  return [
    ...unservedEntries(configuration),
    ...checkLogins(configuration),
    ...checkPipes(configuration),
    ...checkDnssec(configuration),
    ...checkAcme(configuration),
    ...checkPublished(configuration),
    ...checkSigning(configuration),
    ...checkSrs(configuration),
  ];
}
