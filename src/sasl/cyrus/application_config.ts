/** What smtpd.conf says (Cyrus SASL's options for system administrators). */
export interface ApplicationConfig {
  /** pwcheck_method, in lower case; auxprop where it is not said. */
  readonly methods: readonly string[];
  /** mech_list, in upper case; undefined for all there are. */
  readonly mechanisms: readonly string[] | undefined;
  readonly saslauthdPath: string;
}

const DEFAULT_METHOD = "auxprop";
const DEFAULT_PATH = "/var/run/saslauthd/mux";

const LINE = /^([A-Za-z0-9_-]+):\s*(.*?)\s*$/;

/** Reads `name: value` lines; a line that is none is named, as Cyrus does not start with one. */
export function readApplicationConfig(text: string): ApplicationConfig | { readonly badLine: number } {
  const options = new Map<string, string>();
  for (const [at, line] of text.split("\n").entries()) {
    if (/^\s*(?:#|$)/.test(line)) continue;
    const match = LINE.exec(line);
    if (match === null || match[2] === "") return { badLine: at + 1 };
    options.set(match[1]!.toLowerCase(), match[2]!);
  }
  const words = (name: string) => options.get(name)?.split(/[\s,]+/).filter((word) => word !== "");
  return {
    methods: (words("pwcheck_method") ?? [DEFAULT_METHOD]).map((word) => word.toLowerCase()),
    mechanisms: words("mech_list")?.map((word) => word.toUpperCase()),
    saslauthdPath: options.get("saslauthd_path") ?? DEFAULT_PATH,
  };
}
