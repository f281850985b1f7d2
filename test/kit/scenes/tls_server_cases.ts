// What a client meets at a server's TLS: settings of one smtpd, and a dialogue with it. Played to ours and to the real Postfix.
import type { SelfSigned } from "../memory/self_signed.ts";
import type { DialogueStep, TlsHello } from "../tls_dialogue.ts";

/** Certificates that clients have. */
export interface ClientCertificates {
  /** Signed by the authority in `ca.pem`. */
  readonly friend: SelfSigned;
  /** Signed by itself. */
  readonly stranger: SelfSigned;
  /** Of the friend's certificate and key. */
  readonly fingerprint: string;
  readonly keyFingerprint: string;
}

export interface TlsCase {
  /** `-o` settings of the service. */
  readonly options: Readonly<Record<string, string>>;
  readonly steps: readonly DialogueStep[];
  /** How often the dialogue is played; once when left out. */
  readonly times?: number;
  /** What is ours alone, with the reason: lines heard, lines of the log. */
  readonly ours?: {
    readonly why: string;
    readonly heard?: readonly string[];
    readonly log?: readonly string[];
  };
}

/** A handshake whose cipher both servers choose alike. */
const TLS12: TlsHello = {
  versions: ["TLSv1.2", "TLSv1.2"],
  ciphers: "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES256-GCM-SHA384",
};
const HANDSHAKE = { tls: TLS12 };
const named = (serverName: string) => ({ tls: { ...TLS12, serverName } });

const MAY = { smtpd_tls_security_level: "may" };
const ENCRYPT = { smtpd_tls_security_level: "encrypt" };
const WRAPPER = { smtpd_tls_wrappermode: "yes" };
const NO_CERTIFICATE = { smtpd_tls_chain_files: "" };
const ASK = { smtpd_tls_ask_ccert: "yes", smtpd_tls_CAfile: "$config_directory/ca.pem" };
const REQUIRE = { ...ENCRYPT, smtpd_tls_req_ccert: "yes", smtpd_tls_CAfile: "$config_directory/ca.pem" };
const SNI = {
  ...MAY,
  tls_server_sni_maps: "inline:{{other.example.com=$config_directory/other.pem}," +
    "{.sub.example.com=$config_directory/other.pem},{bad.example.com=$config_directory/bad.pem}}",
};
const LIMITED = { smtpd_client_new_tls_session_rate_limit: "1", smtpd_client_event_limit_exceptions: "" };

const TURN: readonly DialogueStep[] = ["EHLO client.example.org", "STARTTLS", HANDSHAKE];
const message = (to: string): readonly DialogueStep[] => [
  "EHLO client.example.org",
  "MAIL FROM:<ann@example.org>",
  `RCPT TO:<${to}@elsewhere.example>`,
  "DATA",
  "Subject: x\r\n\r\nx\r\n.",
  "QUIT",
];

/** What a start of ours says of the library, OpenSSL says otherwise, or Postfix goes on without what it could not read. */
export function tlsServerCases(
  { friend, stranger, fingerprint, keyFingerprint }: ClientCertificates,
): Readonly<Record<string, TlsCase>> {
  const asFriend = { tls: { ...TLS12, own: friend } };
  const asStranger = { tls: { ...TLS12, own: stranger } };
  const turnAs = (who: DialogueStep): readonly DialogueStep[] => [
    "EHLO client.example.org",
    "STARTTLS",
    who,
  ];
  const recipients = (list: string) => ({ ...MAY, ...ASK, smtpd_recipient_restrictions: list });
  return {
    may: {
      options: MAY,
      steps: ["EHLO x", "STARTTLS x", "STARTTLS", HANDSHAKE, "EHLO x", "STARTTLS", "STARTTLS x", "QUIT"],
    },
    tls13: { options: MAY, steps: ["EHLO x", "STARTTLS", { tls: {} }, "EHLO x", "QUIT"] },
    "without EHLO": { options: MAY, steps: ["STARTTLS", HANDSHAKE, "MAIL FROM:<a@example.org>", "QUIT"] },
    "after HELO": { options: MAY, steps: ["HELO x", "STARTTLS", HANDSHAKE, "HELO x", "QUIT"] },
    "in a transaction": {
      options: MAY,
      steps: ["EHLO x", "MAIL FROM:<a@example.org>", "STARTTLS", HANDSHAKE, "RCPT TO:<b@c.example>", "QUIT"],
    },
    encrypt: {
      options: ENCRYPT,
      steps: [
        ...["MAIL FROM:<a@b>", "RCPT TO:<a>", "DATA", "RSET", "VRFY a", "ETRN x", "AUTH PLAIN", "BDAT 0"],
        ...[
          "XFORWARD A=B",
          "XCLIENT A=B",
          "FOO",
          "NOOP",
          "HELO x",
          ...TURN,
          "MAIL FROM:<a@example.org>",
          "QUIT",
        ],
      ],
    },
    none: {
      options: { smtpd_tls_security_level: "none", smtpd_use_tls: "yes", smtpd_enforce_tls: "yes" },
      steps: ["EHLO x", "STARTTLS", "STARTTLS x", "MAIL FROM:<a@example.org>", "QUIT"],
    },
    "smtpd_use_tls": { options: { smtpd_use_tls: "yes" }, steps: [...TURN, "EHLO x", "QUIT"] },
    "smtpd_enforce_tls": {
      options: { smtpd_enforce_tls: "yes" },
      steps: ["MAIL FROM:<a@b>", ...TURN, "EHLO x", "QUIT"],
    },
    "level verify": {
      options: { smtpd_tls_security_level: "verify" },
      steps: ["MAIL FROM:<a@b>", ...TURN, "QUIT"],
    },
    "STARTTLS discarded": {
      options: { ...MAY, smtpd_discard_ehlo_keywords: "silent-discard, starttls" },
      steps: ["EHLO x", "STARTTLS", "QUIT"],
    },
    "STARTTLS and more discarded aloud": {
      options: { ...MAY, smtpd_discard_ehlo_keywords: "dsn, starttls, 8bitmime, nonsense" },
      steps: ["EHLO x", "HELO x", "EHLO x", "QUIT"],
    },
    "no certificate": {
      options: { ...MAY, ...NO_CERTIFICATE },
      steps: ["EHLO x", "STARTTLS", "MAIL FROM:<a@example.org>", "QUIT"],
    },
    "no certificate where TLS is demanded": {
      options: { ...ENCRYPT, ...NO_CERTIFICATE },
      steps: ["EHLO x", "STARTTLS", "MAIL FROM:<a@example.org>", "QUIT"],
    },
    "no certificate but for names": {
      options: { ...SNI, ...NO_CERTIFICATE },
      steps: ["EHLO x", "STARTTLS", "QUIT"],
    },
    "a chain file without a chain": {
      options: { ...MAY, smtpd_tls_chain_files: "$config_directory/bad.pem" },
      steps: ["EHLO x", "STARTTLS", "QUIT"],
    },
    "a key of another certificate": {
      options: { ...MAY, smtpd_tls_chain_files: "$config_directory/mixed.pem" },
      steps: ["EHLO x", "STARTTLS", "QUIT"],
    },
    "no chain file": {
      options: { ...MAY, smtpd_tls_chain_files: "$config_directory/missing.pem" },
      steps: ["STARTTLS", "QUIT"],
      ours: {
        why: "Postfix goes on without a certificate, and every handshake fails",
        heard: ["454 4.7.0 TLS not available due to local problem", "221 2.0.0 Bye"],
        log: [
          "warning: error opening chain file: ETC/missing.pem: No such file or directory",
          "connect from unknown[127.0.0.1]",
          "disconnect from unknown[127.0.0.1] starttls=0/1 quit=1 commands=1/2",
        ],
      },
    },
    "separate files": {
      options: {
        ...MAY,
        ...NO_CERTIFICATE,
        smtpd_tls_cert_file: "$config_directory/rsa.crt",
        smtpd_tls_key_file: "$config_directory/rsa.key",
      },
      steps: [...TURN, "QUIT"],
    },
    "chain files and separate files": {
      options: { ...MAY, smtpd_tls_cert_file: "$config_directory/none.crt" },
      steps: [...TURN, "QUIT"],
    },
    "RSA and ECDSA": {
      options: { ...MAY, smtpd_tls_chain_files: "$config_directory/rsa.pem, $config_directory/ec.pem" },
      steps: ["EHLO x", "STARTTLS", { tls: {} }, "QUIT"],
    },
    "bad protocols": { options: { ...MAY, smtpd_tls_protocols: "TLSv9" }, steps: ["STARTTLS", "QUIT"] },
    "bad protocols that do not count": {
      options: { ...MAY, smtpd_tls_mandatory_protocols: "TLSv9" },
      steps: [...TURN, "QUIT"],
    },
    "bad protocols where TLS is demanded": {
      options: { ...ENCRYPT, smtpd_tls_mandatory_protocols: "TLSv9" },
      steps: ["STARTTLS", "QUIT"],
    },
    "a protocol that the client has not": {
      options: { ...MAY, smtpd_tls_protocols: ">=TLSv1.3" },
      steps: [...TURN, "NOOP"],
    },
    "no cipher in common": {
      options: { ...MAY, smtpd_tls_exclude_ciphers: "AES256" },
      steps: [...TURN, "NOOP"],
    },
    "ciphers that are excluded only where TLS is demanded": {
      options: { ...MAY, smtpd_tls_mandatory_exclude_ciphers: "AES256" },
      steps: [...TURN, "QUIT"],
    },
    "the client's order of ciphers": {
      options: MAY,
      steps: ["STARTTLS", { tls: { ...TLS12, ciphers: ORDERED } }, "QUIT"],
    },
    "the server's order of ciphers": {
      options: { ...MAY, tls_preempt_cipherlist: "yes", tls_medium_cipherlist: REVERSED },
      steps: ["STARTTLS", { tls: { ...TLS12, ciphers: ORDERED } }, "QUIT"],
    },
    "a digest that is none": {
      options: { ...MAY, smtpd_tls_fingerprint_digest: "sha9" },
      steps: ["STARTTLS", "QUIT"],
    },
    "wrapper mode": { options: WRAPPER, steps: [HANDSHAKE, "EHLO x", "STARTTLS", "QUIT"] },
    "wrapper mode in the clear": { options: WRAPPER, steps: [{ raw: "EHLO x\r\n" }, "NOOP"] },
    "wrapper mode without a certificate": {
      options: { ...WRAPPER, ...NO_CERTIFICATE },
      steps: [HANDSHAKE, "QUIT"],
    },
    "wrapper mode without a word": { options: WRAPPER, steps: [{ raw: "" }, { hangUp: true }] },
    "commands injected behind STARTTLS": {
      options: MAY,
      steps: [
        "EHLO x",
        { raw: "STARTTLS\r\nMAIL FROM:<x@y.example>\r\nRCPT TO:<a@b.example>\r\n" },
        { heard: true },
        HANDSHAKE,
        "RCPT TO:<a@b.example>",
        "QUIT",
      ],
    },
    "STARTTLS pipelined behind EHLO": {
      options: MAY,
      steps: [{ raw: "EHLO x\r\nSTARTTLS\r\n" }, { heard: true }, { heard: true }, HANDSHAKE, "QUIT"],
    },
    "hung up in the handshake": { options: MAY, steps: ["STARTTLS", { hangUp: true }] },
    "a command in place of the handshake": {
      options: MAY,
      steps: ["STARTTLS", { raw: "MAIL FROM:<a@b>\r\n" }, { heard: true }],
    },
    "silent in the handshake": {
      options: { ...MAY, smtpd_starttls_timeout: "1s" },
      steps: ["STARTTLS", { heard: true }],
    },
    "silent in wrapper mode": {
      options: { ...WRAPPER, smtpd_starttls_timeout: "1s" },
      steps: [{ heard: true }],
    },
    "hung up after the handshake": { options: MAY, steps: [...TURN, "EHLO x", { hangUp: true }] },
    "a certificate is asked for": { options: { ...MAY, ...ASK }, steps: [...TURN, "QUIT"] },
    "a trusted certificate": { options: { ...MAY, ...ASK }, steps: [...turnAs(asFriend), "QUIT"] },
    "a stranger's certificate": { options: { ...MAY, ...ASK }, steps: [...turnAs(asStranger), "QUIT"] },
    "a certificate nobody asks for": { options: MAY, steps: [...turnAs(asFriend), "QUIT"] },
    "certificates required at may": {
      options: { ...MAY, smtpd_tls_req_ccert: "yes" },
      steps: [...TURN, "EHLO x", "QUIT"],
    },
    "certificates required, none shown": { options: REQUIRE, steps: [...TURN, "EHLO x"] },
    "certificates required, a stranger's": { options: REQUIRE, steps: [...turnAs(asStranger), "EHLO x"] },
    "certificates required, a friend's": { options: REQUIRE, steps: [...turnAs(asFriend), "EHLO x", "QUIT"] },
    "loglevel 0": { options: { ...MAY, smtpd_tls_loglevel: "0" }, steps: [...TURN, "QUIT"] },
    "loglevel 2": {
      options: { ...MAY, ...ASK, smtpd_tls_loglevel: "2" },
      steps: [...turnAs(asFriend), "QUIT"],
    },
    "loglevel by parts": {
      options: { ...MAY, ...ASK, smtpd_tls_loglevel: "peercert,untrusted" },
      steps: [...turnAs(asStranger), "QUIT"],
    },
    "a name with its own certificate": {
      options: SNI,
      steps: ["STARTTLS", named("Other.Example.COM"), "QUIT"],
    },
    "a name below a domain": { options: SNI, steps: ["STARTTLS", named("a.b.sub.example.com"), "QUIT"] },
    "a name without": { options: SNI, steps: ["STARTTLS", named("elsewhere.example.net"), "QUIT"] },
    "a name that is none": { options: SNI, steps: ["STARTTLS", named("x..y_z"), "QUIT"] },
    "a name with a broken certificate": {
      options: SNI,
      steps: ["STARTTLS", named("bad.example.com"), "QUIT"],
    },
    "names in a table that fails": {
      options: { ...MAY, tls_server_sni_maps: "fail:x" },
      steps: ["STARTTLS", named("other.example.com"), "QUIT"],
      ours: {
        why: "why a table fails is said too",
        log: [
          "connect from unknown[127.0.0.1]",
          'warning: fail:x lookup error for "other.example.com": table fail:x: query error: Application error',
          "warning: tls_server_sni_maps: other.example.com map lookup problem",
          "SSL_accept error from unknown[127.0.0.1]: -1",
          "lost connection after STARTTLS from unknown[127.0.0.1]",
          "disconnect from unknown[127.0.0.1] starttls=0/1 commands=0/1",
        ],
      },
    },
    "names in a table made with postmap -F": {
      options: { ...MAY, tls_server_sni_maps: "hash:$config_directory/sni" },
      steps: ["STARTTLS", named("other.example.com"), "QUIT"],
    },
    "too many new sessions": { options: { ...MAY, ...LIMITED }, steps: [...TURN, "QUIT"], times: 3 },
    "too many new sessions in wrapper mode": {
      options: { ...WRAPPER, ...LIMITED },
      steps: [HANDSHAKE, "QUIT"],
      times: 3,
    },
    XCLIENT: {
      options: { ...MAY, smtpd_authorized_xclient_hosts: "127.0.0.1" },
      steps: [
        ...TURN,
        "EHLO x",
        "XCLIENT NAME=client.example.org ADDR=192.0.2.9",
        "EHLO y",
        "STARTTLS",
        "QUIT",
      ],
    },
    "Received in TLS 1.2": {
      options: { ...MAY, smtpd_tls_received_header: "yes" },
      steps: [...TURN, ...message("received12")],
    },
    "Received in TLS 1.3": {
      options: { ...MAY, smtpd_tls_received_header: "yes" },
      steps: ["STARTTLS", { tls: {} }, ...message("received13")],
    },
    "Received, certificate asked for": {
      options: { ...MAY, ...ASK, smtpd_tls_received_header: "yes" },
      steps: [...TURN, ...message("asked")],
    },
    "Received, trusted": {
      options: { ...MAY, ...ASK, smtpd_tls_received_header: "yes" },
      steps: [...turnAs(asFriend), ...message("trusted")],
    },
    "Received, a stranger": {
      options: { ...MAY, ...ASK, smtpd_tls_received_header: "yes" },
      steps: [...turnAs(asStranger), ...message("stranger")],
    },
    "Received without the parameter": { options: MAY, steps: [...TURN, ...message("plain")] },
    "Received in the clear": {
      options: { ...MAY, smtpd_tls_received_header: "yes" },
      steps: message("clear"),
    },
    "permit_tls_clientcerts by the certificate": {
      options: {
        ...recipients("permit_tls_clientcerts, reject"),
        relay_clientcerts: `inline:{ ${fingerprint}=friend }`,
      },
      steps: [...turnAs(asFriend), ...message("relayed")],
    },
    "permit_tls_clientcerts by the key": {
      options: {
        ...recipients("permit_tls_clientcerts, reject"),
        relay_clientcerts: `inline:{ ${keyFingerprint}=friend }`,
      },
      steps: [...turnAs(asFriend), ...message("relayed")],
    },
    "permit_tls_clientcerts for another": {
      options: {
        ...recipients("permit_tls_clientcerts, reject"),
        relay_clientcerts: `inline:{ ${fingerprint}=friend }`,
      },
      steps: [...turnAs(asStranger), ...message("relayed")],
    },
    "permit_tls_all_clientcerts": {
      options: recipients("permit_tls_all_clientcerts, reject"),
      steps: [...turnAs(asFriend), ...message("relayed")],
    },
    "permit_tls_all_clientcerts for a stranger": {
      options: recipients("permit_tls_all_clientcerts, reject"),
      steps: [...turnAs(asStranger), ...message("relayed")],
    },
    "permit_tls_clientcerts where nobody is asked": {
      options: { ...MAY, smtpd_recipient_restrictions: "permit_tls_clientcerts, reject" },
      steps: [...TURN, ...message("relayed")],
    },
    "check_ccert_access": {
      options: recipients(`check_ccert_access inline:{{${fingerprint}=REJECT go away}}, permit`),
      steps: [...turnAs(asFriend), ...message("relayed")],
    },
    "check_ccert_access by the key alone": {
      options: recipients(
        `check_ccert_access { inline:{{${fingerprint}=REJECT no},{${keyFingerprint}=REJECT go away}} ` +
          "{ search_order = pubkey_fingerprint } }, permit",
      ),
      steps: [...turnAs(asFriend), ...message("relayed")],
    },
    "reject_plaintext_session": {
      options: { ...MAY, smtpd_recipient_restrictions: "reject_plaintext_session, permit" },
      steps: ["EHLO x", "MAIL FROM:<a@b.example>", "RCPT TO:<c@d.example>", ...TURN, ...message("relayed")],
    },
    "a policy server": {
      options: recipients("check_policy_service inet:127.0.0.1:POLICY, permit"),
      steps: [...turnAs(asFriend), ...message("policy")],
    },
    "a policy server and a stranger": {
      options: recipients("check_policy_service inet:127.0.0.1:POLICY, permit"),
      steps: [...turnAs(asStranger), ...message("policy")],
    },
  };
}

const ORDERED = "ECDHE-RSA-AES256-SHA:ECDHE-RSA-AES128-SHA";
const REVERSED = "ECDHE-RSA-AES128-SHA:ECDHE-RSA-AES256-SHA";
