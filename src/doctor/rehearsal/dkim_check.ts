import type { KeyReport } from "../../cleanup/signing/key_report.ts";
import { type CheckResult, ok, problem, warning } from "../check_result.ts";
import { txtRecord } from "./spf_edit.ts";

/** What our own signatures stand on. */
export interface DkimFacts {
  readonly domain: string;
  /** How it stands with each key of the domain; or why there is none. */
  readonly keys:
    | { readonly is: "keys"; readonly reports: readonly KeyReport[] }
    /** dkim_signing_keys is empty. */
    | { readonly is: "off" }
    | { readonly is: "absent" }
    | { readonly is: "trouble"; readonly why: string };
  /** Filters see mail that is sent; they might sign it. */
  readonly hasFilters: boolean;
}

const NAME = "DKIM";

/** Whether mail of the domain is signed with keys that receivers find. */
export function checkDkim({ domain, keys, hasFilters }: DkimFacts): CheckResult[] {
  const fix = `mta dkim genkey ${domain}, and its entry in dkim_signing_keys`;
  switch (keys.is) {
    case "off":
      return hasFilters
        ? [
          warning(
            NAME,
            "no mail is signed here (dkim_signing_keys is empty); whether a filter signs it cannot be told",
            {
              fix: `look at a message that was sent; or ${fix}`,
            },
          ),
        ]
        : [problem(NAME, "no mail is signed (dkim_signing_keys is empty)", { fix })];
    case "absent":
      return [
        problem(NAME, `mail of ${domain} is not signed: dkim_signing_keys has no entry for it`, { fix }),
      ];
    case "trouble":
      return [
        problem(NAME, `mail of ${domain} waits, as its key cannot be found: ${keys.why}`, {
          fix: "mta dkim check",
        }),
      ];
    case "keys":
      return [...keys.reports.flatMap((report) => ofKey(report)), ...ofKinds(keys.reports, domain)];
  }
}

function ofKey({ name, algorithm, bits, record, published, problems }: KeyReport): CheckResult[] {
  if (problems.length === 0) return [ok(NAME, `${name} has the key that signs (${algorithm}, ${bits} bits)`)];
  const isMissing = published === "missing" || published === "different" || published === "unusable";
  return problems.map(({ grave, text, fix }) =>
    grave && isMissing && record !== undefined
      ? problem(NAME, text, { fix: "publish the record", record: txtRecord(name, record) })
      : (grave ? problem : warning)(NAME, text, { fix })
  );
}

/** Who does not know Ed25519 takes such mail for unsigned (RFC 8463 §5). */
function ofKinds(reports: readonly KeyReport[], domain: string): CheckResult[] {
  const good = reports.filter(({ published }) => published === "published");
  if (good.length === 0 || good.some(({ algorithm }) => algorithm === "rsa-sha256")) return [];
  return [warning(NAME, "mail is signed with Ed25519 alone, which large receivers do not check", {
    fix: `an RSA key beside it: mta dkim genkey ${domain}`,
  })];
}
