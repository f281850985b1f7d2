import { readVerifyingKey, type VerifyingKey } from "../../platform/crypto/signature.ts";
import { colonList, parseTagList, withoutSpace } from "../tags/tag_list.ts";

/** A public key as its domain published it (RFC 6376 §3.6.1). */
export interface KeyRecord {
  readonly key: VerifyingKey;
  /** Digests that it may be used with (`h=`), in lower case; undefined: any. */
  readonly digests: readonly string[] | undefined;
  /** `t=y`: its domain is only testing. */
  readonly testing: boolean;
  /** `t=s`: `i=` must be of this very domain. */
  readonly strict: boolean;
}

/** No key that can be used, and why. */
export interface KeyRecordFault {
  readonly fault: string;
  readonly revoked?: true;
}

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/** Reads the text of a key record. `v=` may be missing, but where it is it comes first. */
export function parseKeyRecord(text: string): KeyRecord | KeyRecordFault {
  const tags = parseTagList(text);
  if ("fault" in tags) return { fault: `key record: ${tags.fault}` };
  const version = tags.get("v");
  if (version !== undefined && (version !== "DKIM1" || [...tags.keys()][0] !== "v")) {
    return { fault: "key record: v= is not DKIM1, or not first" };
  }
  const services = colonList(tags.get("s") ?? "*");
  if (!services.includes("*") && !services.includes("email")) return { fault: "key is not for mail" };
  const kind = tags.get("k") ?? "rsa";
  if (kind !== "rsa" && kind !== "ed25519") return { fault: "key of an unknown kind" };
  const material = tags.get("p");
  if (material === undefined) return { fault: "key record without p=" };
  const base64 = withoutSpace(material);
  if (base64 === "") return { fault: "key is revoked", revoked: true };
  const key = BASE64.test(base64) ? readVerifyingKey(kind, Buffer.from(base64, "base64")) : undefined;
  if (key === undefined) return { fault: "key cannot be read" };
  const flags = colonList(tags.get("t") ?? "");
  const digests = tags.get("h");
  return {
    key,
    digests: digests === undefined ? undefined : colonList(digests).map((name) => name.toLowerCase()),
    testing: flags.includes("y"),
    strict: flags.includes("s"),
  };
}
