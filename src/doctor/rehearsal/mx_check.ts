import type { AddressAnswer, DnsAnswer } from "../../dns/answer.ts";
import { type CheckResult, ok, problem, warning } from "../check_result.ts";
import { whyNothing } from "../name_lookup.ts";

/** What is known of where answers go. */
export interface MxFacts {
  readonly domain: string;
  readonly mx: DnsAnswer<"MX">;
  /** The domain's own addresses, where there is no MX. */
  readonly own: AddressAnswer | undefined;
  /** Addresses of each exchanger. */
  readonly hosts: readonly { readonly host: string; readonly addresses: AddressAnswer }[];
  readonly myhostname: string;
}

const NAME = "MX";

/** Whether the domain can be answered: a receiver refuses mail from one that cannot (RFC 5321 §5.1, RFC 7505). */
export function checkMx({ domain, mx, own, hosts, myhostname }: MxFacts): CheckResult[] {
  const record = `${domain}. MX 10 ${myhostname}.`;
  const fix = "publish the server that takes mail for the domain";
  if (mx.is === "trouble") return [warning(NAME, `MX of ${domain} ${whyNothing(mx)}`)];
  if (mx.is === "nxdomain") {
    return [problem(NAME, `${domain} does not exist`, { fix: "publish it", record })];
  }
  if (mx.is === "nodata") {
    if (own?.is !== "records") {
      return [
        problem(NAME, `${domain} has neither an MX nor an address: nobody can answer`, { fix, record }),
      ];
    }
    return [warning(NAME, `${domain} has no MX; answers go to its own address`, { fix, record })];
  }
  if (hosts.some(({ host }) => host === "")) {
    return [
      problem(NAME, `${domain} says that it takes no mail (null MX): mail from it is refused`, {
        fix,
        record,
      }),
    ];
  }
  const lost = hosts.filter(({ addresses }) => addresses.is !== "records");
  const say = lost.length === hosts.length ? problem : warning;
  if (lost.length > 0) {
    return lost.map(({ host, addresses }) =>
      addresses.is === "trouble"
        ? warning(NAME, `${host}, an MX of ${domain}, ${whyNothing(addresses)}`)
        : say(NAME, `${host}, an MX of ${domain}, has no address`, {
          fix: `publish an address of ${host}, or take the MX out`,
        })
    );
  }
  return [ok(NAME, `${domain} is answered at ${hosts.map(({ host }) => host).join(", ")}`)];
}
