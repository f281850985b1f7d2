import type { Configuration } from "../../config/service.ts";
import { isReadableByOthers } from "../../platform/file/readable_by_others.ts";
import { readSrsSecrets, type SrsSecretSource } from "../../rewrite/srs_secrets.ts";
import type { Finding } from "./finding.ts";
import { placeOf, placeText } from "./place_of.ts";

type Found = Pick<Finding, "severity"> & { readonly parameter: string; readonly consequence: string };

/** Bytes that a secret should have: whoever guesses it sends mail through this server to anybody. */
const SHORTEST = 16;

/** What keeps forwarded mail from getting its sender rewritten, or lets others write such addresses (srs_domain). */
export function checkSrs(configuration: Configuration): Finding[] {
  const { settings, services } = configuration;
  if (settings.srs_domain === "" || services.length === 0) return [];
  const found = [
    ...secretProblems(readSrsSecrets(settings.srs_secret, {}), `${configuration.directory}/main.cf`),
    ...hashProblems(settings),
  ];
  return found.map(({ severity, parameter, consequence }) => {
    const place = placeOf(parameter, services[0]!, configuration);
    return { severity, text: `${placeText(place)}: ${consequence}`, consequence, parameter, ...place };
  });
}

function secretProblems(sources: readonly SrsSecretSource[], mainCf: string): Found[] {
  const say = (severity: Found["severity"], consequence: string): Found => ({
    severity,
    parameter: "srs_secret",
    consequence,
  });
  const waits =
    "strangers' mail that is to be forwarded waits, and what comes back to srs_domain is told to come later";
  if (sources.length === 0) return [say("closed", `srs_secret is empty: ${waits}`)];
  const faults = sources.flatMap(({ fault }) =>
    fault === undefined ? [] : [say("closed", `${fault}: ${waits}`)]
  );
  const short = sources.filter(({ secrets }) => secrets.some(({ length }) => length < SHORTEST));
  const open = [...new Set(sources.map(({ path }) => path ?? mainCf))].filter(isReadableByOthers);
  return [
    ...faults,
    ...short.map(({ path }) =>
      say(
        "weaker",
        `srs_secret: a secret of less than ${SHORTEST} bytes${
          path === undefined ? "" : ` in ${path}`
        }: whoever finds it out may send mail ` +
          "through this server to anybody; openssl rand -base64 24 makes one",
      )
    ),
    ...open.map((path) =>
      say(
        "weaker",
        `srs_secret: ${path}: every user of this machine may read it, and send mail through this server to anybody: ` +
          (path === mainCf ? "srs_secret = file:/path names a file of root's" : `chmod o-rwx ${path}`),
      )
    ),
  ];
}

function hashProblems(settings: Configuration["settings"]): Found[] {
  const { srs_hash_length: made, srs_hash_minimum: taken } = settings;
  if (taken <= made) return [];
  const consequence =
    `srs_hash_minimum = ${taken} is more than srs_hash_length = ${made}: nothing comes back to the addresses that are made here`;
  return [{ severity: "closed", parameter: "srs_hash_minimum", consequence }];
}
