import { dlopen, type Pointer, ptr } from "bun:ffi";

// OpenSSL's library, where it is installed: its RSA signs in less than half of the time that the runtime's BoringSSL takes.

const LIBRARIES = ["libcrypto.so.3", "libcrypto.so.1.1"];
/** Bits of OPENSSL_init_crypto(3): the process ends without its clean-up, and openssl.cnf has no say. */
const NO_ATEXIT = 0x80000n;
const NO_CONFIG = 0x80n;

const open = (name: string) =>
  dlopen(name, {
    OPENSSL_init_crypto: { args: ["u64", "ptr"], returns: "i32" },
    d2i_AutoPrivateKey: { args: ["ptr", "ptr", "i64"], returns: "ptr" },
    EVP_PKEY_free: { args: ["ptr"], returns: "void" },
    EVP_sha256: { args: [], returns: "ptr" },
    EVP_MD_CTX_new: { args: [], returns: "ptr" },
    EVP_MD_CTX_free: { args: ["ptr"], returns: "void" },
    EVP_DigestSignInit: { args: ["ptr", "ptr", "ptr", "ptr", "ptr"], returns: "i32" },
    EVP_DigestSign: { args: ["ptr", "ptr", "ptr", "ptr", "u64"], returns: "i32" },
  }).symbols;

type Address = Pointer | bigint;

interface Library {
  readonly call: ReturnType<typeof open>;
  readonly sha256: Address;
}

let library: Library | undefined | null;

/** Opens the library once; null where there is none. */
function libcrypto(): Library | null {
  if (library !== undefined) return library;
  for (const name of LIBRARIES) {
    try {
      const call = open(name);
      if (call.OPENSSL_init_crypto(NO_ATEXIT | NO_CONFIG, null) !== 1) continue;
      const sha256 = call.EVP_sha256();
      if (sha256 !== null) return library = { call, sha256 };
    } catch { /* the next name, or none at all */ }
  }
  return library = null;
}

/** Keys that are no longer used give their memory back. */
const unused = new FinalizationRegistry<() => void>((free) => free());

/** Signs bytes (RSASSA-PKCS1-v1_5 with SHA-256); undefined when the library will not. */
export type LibrarySigner = (bytes: Uint8Array) => Buffer | undefined;

/** A signer of OpenSSL's with an RSA key (DER, PKCS #8); undefined where the library is not there or does not know the key. */
export function rsaSigner(der: Uint8Array, signatureLength: number): LibrarySigner | undefined {
  const lib = libcrypto();
  if (lib === null) return undefined;
  const place = new BigUint64Array([BigInt(ptr(der))]);
  const key = lib.call.d2i_AutoPrivateKey(null, ptr(place), der.length);
  if (key === null) return undefined;
  const signer = (bytes: Uint8Array) => sign(lib, key, bytes, signatureLength);
  unused.register(signer, () => lib.call.EVP_PKEY_free(key));
  return signer;
}

function sign(
  { call, sha256 }: Library,
  key: Address,
  bytes: Uint8Array,
  length: number,
): Buffer | undefined {
  const context = call.EVP_MD_CTX_new();
  if (context === null) return undefined;
  try {
    const signature = Buffer.alloc(length);
    const room = new BigUint64Array([BigInt(length)]);
    if (call.EVP_DigestSignInit(context, null, sha256, null, key) !== 1) return undefined;
    const made = call.EVP_DigestSign(context, ptr(signature), ptr(room), ptr(bytes), bytes.length);
    return made === 1 && room[0] === BigInt(length) ? signature : undefined;
  } finally {
    call.EVP_MD_CTX_free(context);
  }
}
