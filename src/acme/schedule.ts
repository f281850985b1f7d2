import type { Certificate } from "../tls/x509/certificate.ts";
import { digest } from "../platform/digest.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** The first pause after a failure; each further one is twice as long. Authorities count failures by the hour, and not who never comes. */
const FIRST_PAUSE = { refused: 10 * MINUTE, unreached: MINUTE } as const;
const LONGEST_PAUSE = 12 * HOUR;
/** What part of a certificate's life is left when it is renewed, and over what part of it renewals are spread. */
const LEFT = 1 / 3;
const SPREAD = 1 / 20;

/** A number from 0 to 1 that is the same for a certificate at each start, and another for each. */
function fractionOf({ der }: Certificate): number {
  return digest("sha256", der).readUInt32BE(0) / 0x1_0000_0000;
}

/**
 * When a certificate is to be renewed, in milliseconds since 1970: with a third of its life left, or somewhat earlier, so that not all
 * who got theirs in the same hour come again in the same hour.
 */
export function renewalTime(certificate: Certificate): number {
  const { notBefore, notAfter } = certificate;
  const life = notAfter - notBefore;
  return Math.round(notAfter - life * (LEFT + SPREAD * fractionOf(certificate)));
}

/** How long to wait after so many failures in a row, the last one of that kind, in milliseconds; `chance` is from 0 to 1. */
export function pauseAfter(failures: number, chance: number, kind: keyof typeof FIRST_PAUSE): number {
  const pause = Math.min(FIRST_PAUSE[kind] * 2 ** Math.max(0, failures - 1), LONGEST_PAUSE);
  return Math.round(pause * (1 + chance / 4));
}
