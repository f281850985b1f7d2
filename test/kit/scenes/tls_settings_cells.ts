// main.cf's settings of TLS with a server each: what the client makes of them, for the table beside Postfix.
import type { PeerScript } from "../servers/smtp_peer.ts";
import type { TlsServerKind, TlsServerName } from "./tls_cells.ts";

/** Parameters without `smtp_` (or `lmtp_`). FILE:name stands for the path of a file of `SettingFiles`, PRINT for the server's fingerprint. */
export interface SettingsCell {
  readonly name: string;
  readonly settings: Readonly<Record<string, string>>;
  /** "right" when left out. */
  readonly server?: TlsServerName | PeerScript;
  readonly lmtp?: true;
}

const level = (tls_security_level: string, more: Readonly<Record<string, string>> = {}) => ({
  tls_security_level,
  ...more,
});
const site = (text: string, more: Readonly<Record<string, string>> = {}) => ({
  tls_per_site: `SITE:${text}`,
  ...more,
});

type Row = readonly [
  name: string,
  settings: Readonly<Record<string, string>>,
  server?: SettingsCell["server"],
  program?: "lmtp",
];

const ROWS: readonly Row[] = [
  ["nothing", {}],
  ["may", level("may")],
  ["encrypt", level("encrypt")],
  ["verify", level("verify")],
  ["secure", level("secure")],
  ["fingerprint without fingerprints", level("fingerprint")],
  ["fingerprint of the certificate", level("fingerprint", { tls_fingerprint_cert_match: "00:11, PRINT" })],
  [
    "fingerprint of another kind",
    level("fingerprint", {
      tls_fingerprint_digest: "sha1",
      tls_fingerprint_cert_match: "PRINT",
    }),
  ],
  ["digest that is none", level("encrypt", { tls_fingerprint_digest: "bogus" })],
  ["digest that is none, may", level("may", { tls_fingerprint_digest: "bogus" })],
  ["use_tls", { use_tls: "yes" }],
  ["enforce_tls", { enforce_tls: "yes" }],
  ["enforce_tls, other name", { enforce_tls: "yes" }, "other name"],
  ["enforce_tls without peer name", { enforce_tls: "yes", tls_enforce_peername: "no" }, "other name"],
  ["the level beats the switches", level("none", { enforce_tls: "yes", use_tls: "yes" })],
  ["site MUST", site("[localhost]:PORT MUST"), "other name"],
  ["site MUST_NOPEERMATCH", site("[localhost]:PORT MUST_NOPEERMATCH"), "self-signed"],
  ["site MAY", site("[localhost]:PORT may")],
  ["site NONE", site("[localhost]:PORT NONE", level("encrypt"))],
  ["site by host", site("localhost MUST"), "self-signed"],
  ["site MAY and host NONE", site("[localhost]:PORT MAY\nlocalhost NONE", level("verify"))],
  ["site NONE and host MUST", site("[localhost]:PORT NONE\nlocalhost MUST"), "self-signed"],
  ["site MAY under a stronger level", site("[localhost]:PORT MAY", level("encrypt")), "STARTTLS not offered"],
  ["site with another word", site("[localhost]:PORT SOMETIMES")],
  ["site beside a policy", site("[localhost]:PORT MUST", { tls_policy_maps: "SITE:[localhost]:PORT none" })],
  ["policy in trouble", { tls_policy_maps: "fail:down" }],
  ["site in trouble", { tls_per_site: "fail:down" }],
  ["policy of a parent", { tls_policy_maps: "SITE:.localhost encrypt\nlocalhost encrypt" }],
  ["policy without the port", { tls_policy_maps: "SITE:[localhost] encrypt" }, "STARTTLS not offered"],
  ["wrapper", level("encrypt", { tls_wrappermode: "yes" }), "wrapper"],
  ["wrapper, verify", level("verify", { tls_wrappermode: "yes" }), "wrapper"],
  ["wrapper at may", level("may", { tls_wrappermode: "yes" }), "wrapper"],
  ["wrapper with a server that is none", level("encrypt", { tls_wrappermode: "yes" })],
  ["CAfile that is not there", level("encrypt", { tls_CAfile: "/nonexistent.pem" })],
  ["CAfile that is not there, may", level("may", { tls_CAfile: "/nonexistent.pem" })],
  ["no CAfile", level("encrypt", { tls_CAfile: "" })],
  ["no CAfile, secure", level("secure", { tls_CAfile: "" })],
  ["CApath", level("verify", { tls_CAfile: "", tls_CApath: "FILE:authorities" })],
  ["CAfile of others", level("verify", { tls_CAfile: "FILE:stranger.pem" })],
  [
    "CAfile with the intermediate alone",
    level("verify", { tls_CAfile: "FILE:between.pem" }),
    "right below an intermediate",
  ],
  ["depth 0", level("verify", { tls_scert_verifydepth: "0" }), "right below an intermediate"],
  ["depth 1", level("verify", { tls_scert_verifydepth: "1" }), "right below an intermediate"],
  ["depth 0, deeper", level("verify", { tls_scert_verifydepth: "0" }), "right below two intermediates"],
  ["depth 1, deeper", level("verify", { tls_scert_verifydepth: "1" }), "right below two intermediates"],
  ["depth 0 directly", level("verify", { tls_scert_verifydepth: "0" })],
  ["trust anchor", level("secure", { tls_CAfile: "", tls_trust_anchor_file: "FILE:ca.pem" })],
  [
    "trust anchor is the intermediate",
    level("secure", { tls_trust_anchor_file: "FILE:between.pem" }),
    "right below an intermediate",
  ],
  [
    "trust anchor is a key",
    level("secure", { tls_trust_anchor_file: "FILE:between.key" }),
    "intermediate missing",
  ],
  [
    "trust anchor of others",
    level("secure", { tls_trust_anchor_file: "FILE:stranger.pem" }),
    "right below an intermediate",
  ],
  [
    "trust anchors, one after another",
    level("secure", { tls_trust_anchor_file: "FILE:stranger.pem, FILE:ca.pem" }),
  ],
  [
    "trust anchor is the server's own",
    level("secure", { tls_trust_anchor_file: "FILE:expired.pem" }),
    "expired",
  ],
  ["trust anchor that is not there", level("secure", { tls_trust_anchor_file: "/nonexistent.pem" })],
  ["trust anchor does nothing at encrypt", level("encrypt", { tls_trust_anchor_file: "/nonexistent.pem" })],
  [
    "verify_cert_match",
    level("verify", { tls_verify_cert_match: "nowhere.example, .example.com" }),
    "wildcard",
  ],
  ["one of several common names", level("verify"), "several common names"],
  ["secure_cert_match", level("secure", { tls_secure_cert_match: "hostname" })],
  ["mandatory protocols", level("encrypt", { tls_mandatory_protocols: ">=TLSv1.3" }), "right, TLS 1.2"],
  ["protocols at may", level("may", { tls_protocols: "!TLSv1.3", tls_mandatory_protocols: "bogus" })],
  ["protocols that are none", level("may", { tls_protocols: "TLSv7" })],
  ["mandatory ciphers", level("encrypt", { tls_mandatory_ciphers: "high", tls_ciphers: "low" })],
  [
    "excluded ciphers",
    level("encrypt", {
      tls_exclude_ciphers: "AES",
      tls_mandatory_exclude_ciphers: "CHACHA20, ARIA, CAMELLIA, SHA, MD5, SHA256, SHA384",
    }),
    "right, TLS 1.2",
  ],
  [
    "excluded ciphers count at encrypt",
    level("may", { tls_mandatory_exclude_ciphers: "AES" }),
    "right, TLS 1.2",
  ],
  ["servername", level("verify", { tls_servername: "localhost" })],
  ["servername that is none", level("verify", { tls_servername: "-" })],
  [
    "client certificate",
    level("encrypt", { tls_cert_file: "FILE:client.pem", tls_key_file: "FILE:client.key" }),
    "certificate wanted",
  ],
  [
    "client certificate in one file",
    level("may", { tls_chain_files: "FILE:client.chain" }),
    "certificate wanted",
  ],
  [
    "client certificate as ECDSA",
    level("encrypt", { tls_eccert_file: "FILE:client.chain" }),
    "certificate wanted",
  ],
  [
    "client certificate of another",
    level("encrypt", { tls_chain_files: "FILE:stranger.chain" }),
    "certificate wanted, TLS 1.2",
  ],
  [
    "client certificate and another's key",
    level("encrypt", { tls_cert_file: "FILE:client.pem", tls_key_file: "FILE:stranger.chain" }),
  ],
  ["client certificate that is not there", level("may", { tls_cert_file: "/nonexistent.pem" })],
  ["loglevel 0", level("verify", { tls_loglevel: "0" }), "expired"],
  ["loglevel none", level("encrypt", { tls_loglevel: "none" }), "expired"],
  ["loglevel by words", level("may", { tls_loglevel: "summary, untrusted" }), "expired"],
  ["loglevel for certificates", level("may", { tls_loglevel: "peercert" })],
  ["loglevel for matches", level("verify", { tls_loglevel: "certmatch" }), "wildcard"],
  ["loglevel 2", level("verify", { tls_loglevel: "2" })],
  [
    "loglevel 2 fingerprint",
    level("fingerprint", { tls_loglevel: "2", tls_fingerprint_cert_match: "PRINT" }),
  ],
  ["loglevel 2 anchor", level("secure", { tls_loglevel: "2", tls_trust_anchor_file: "FILE:ca.pem" })],
  ["offer is noted", { tls_note_starttls_offer: "yes" }],
  ["STARTTLS is not believed", level("may", { discard_ehlo_keywords: "starttls" })],
  ["STARTTLS is not believed, encrypt", level("encrypt", { discard_ehlo_keywords: "starttls" })],
  ["handshake that never ends", level("encrypt", { starttls_timeout: "2s" }), "handshake is silent"],
  ["answer to STARTTLS that never comes", level("encrypt", { starttls_timeout: "2s" }), {
    ehlo: ["STARTTLS"],
    startTls: "silent",
  }],
  ["connection dropped at STARTTLS", level("may"), { ehlo: ["STARTTLS"], startTls: "drop" }],
  ["LMTP may", level("may"), "right", "lmtp"],
  ["LMTP verify", level("verify"), "right", "lmtp"],
  ["LMTP secure", level("secure"), "other name", "lmtp"],
  ["LMTP not offered", level("encrypt"), "STARTTLS not offered", "lmtp"],
  ["LMTP use_tls", { use_tls: "yes" }, "right", "lmtp"],
];

/** All rows. */
export const SETTINGS_CELLS: readonly SettingsCell[] = ROWS.map(([name, settings, server, program]) => ({
  name,
  settings,
  ...(server !== undefined && { server }),
  ...(program !== undefined && { lmtp: true as const }),
}));

/** The server of a row. */
export function serverOf(
  { server = "right" }: SettingsCell,
  servers: Readonly<Record<TlsServerName, TlsServerKind>>,
): TlsServerKind {
  return typeof server === "string" ? servers[server] : { script: server, fingerprint: "AB".repeat(32) };
}
