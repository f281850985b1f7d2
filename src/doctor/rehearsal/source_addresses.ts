import { addressKind } from "../../address/address_kind.ts";
import { type CheckResult, ok, problem, warning } from "../check_result.ts";

/** An address that receivers see, and how that is known. */
export interface SourceAddress {
  readonly address: string;
  readonly how: string;
}

/** From where mail leaves. */
export type Source =
  | { readonly is: "known"; readonly addresses: readonly SourceAddress[] }
  /** Only the operator can tell. */
  | { readonly is: "unknown"; readonly why: string };

/** What is known of the way out. */
export interface SourceFacts {
  /** `--ip`. */
  readonly given: readonly string[];
  /** Where mail goes first, when it is not the receiver's own server. */
  readonly relay: string | undefined;
  /** For each family that may be used what smtp_bind_address, inet_interfaces or the routes say, and which of them. */
  readonly local: readonly SourceAddress[];
  /** proxy_interfaces: what stands before this machine. */
  readonly proxies: readonly string[];
}

/** The addresses that receivers see, as far as they can be known here. */
export function sourceOf({ given, relay, local, proxies }: SourceFacts): Source {
  if (given.length > 0) {
    return { is: "known", addresses: given.map((address) => ({ address, how: "as given by --ip" })) };
  }
  if (relay !== undefined) {
    return { is: "unknown", why: `mail leaves by ${relay}, and receivers see an address of that relay` };
  }
  const seen = local.flatMap((each) => {
    if (addressKind(each.address) === "public") return [each];
    const before = proxies.filter((proxy) =>
      proxy.includes(":") === each.address.includes(":") && addressKind(proxy) === "public"
    );
    return before.map((address) => ({ address, how: `proxy_interfaces, before ${each.address}` }));
  });
  if (seen.length > 0) return { is: "known", addresses: seen };
  if (local.length === 0) return { is: "unknown", why: "this machine has no way to the world" };
  const inside = local.map(({ address }) => address).join(", ");
  return {
    is: "unknown",
    why: `mail leaves from ${inside}, which is private: a router puts its own address in place`,
  };
}

const NAME = "address";

/** What the source address comes to. */
export function checkSource(source: Source): CheckResult[] {
  if (source.is === "unknown") {
    return [warning(NAME, source.why, {
      fix: "say which address receivers see: --ip ADDRESS (proxy_interfaces in main.cf says it for good)",
    })];
  }
  return source.addresses.map(({ address, how }) =>
    addressKind(address) === "public"
      ? ok(NAME, `${address} (${how})`)
      : problem(NAME, `${address} (${how}) is private: no receiver sees it`, {
        fix: "--ip with the public one",
      })
  );
}
