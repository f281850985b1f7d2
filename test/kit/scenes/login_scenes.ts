// How servers ask a client to log in. Each scene is played to our client and to Postfix's (with Debian's libsasl2-modules).
import type { Act } from "../servers/smtp_peer.ts";
import type { Scene } from "./client_scenes.ts";

const H = "127.0.0.1[127.0.0.1]";
const SENT = ["sent 2.0.0 (250 2.0.0 Ok: queued as 12345)"];
const OK = "235 2.7.0 Authentication successful";
const REFUSED = "535 5.7.8 Error: authentication failed";

const NONE_COMPATIBLE =
  `deferred 4.7.0 (SASL authentication failed: server ${H} offered no compatible authentication mechanisms for this type of connection security)`;

const encoded = (text: string) => Buffer.from(text).toString("base64");
const challenge = (text: string): Act => `334 ${encoded(text)}`;

/** The client logs in, as `user` with the password `secret`, where it finds that; plain mechanisms are allowed. */
const passwords = (key: string, entry = "user:secret") => ({
  smtp_sasl_auth_enable: true,
  smtp_sasl_password_maps: `inline:{${key}=${entry}}`,
  smtp_sasl_security_options: "noanonymous",
});
const LOGIN = passwords("127.0.0.1");

/** A server that offers these, and answers like this. */
const server = (mechanisms: string, auth: (line: string, count: number) => Act = () => OK) => ({
  ehlo: ["PIPELINING", `AUTH ${mechanisms}`],
  auth,
});

const twoSteps = (line: string, count: number): Act =>
  count === 0
    ? challenge("Username:")
    : count === 1
    ? challenge("Password:")
    : line === "secret"
    ? OK
    : REFUSED;

export const LOGIN_SCENES: Readonly<Record<string, Scene>> = {
  "login with PLAIN": {
    script: server("PLAIN LOGIN"),
    settings: LOGIN,
    want: SENT,
    auth: ["AUTH PLAIN ^@user^@secret"],
  },
  "login with LOGIN": {
    script: server("LOGIN", twoSteps),
    settings: LOGIN,
    want: SENT,
    auth: ["AUTH LOGIN", "user", "secret"],
  },
  "login with CRAM-MD5": {
    script: server(
      "PLAIN LOGIN CRAM-MD5",
      (_, count) => count === 0 ? challenge("<1896.697170952@postoffice.reston.mci.net>") : OK,
    ),
    settings: passwords("127.0.0.1", "tim:tanstaaftanstaaf"),
    want: SENT,
    auth: ["AUTH CRAM-MD5", "tim b913a602c7eda7a495b4e6e7334d3890"],
  },
  "login: AUTH= of old servers": {
    script: { ehlo: ["AUTH=PLAIN LOGIN"], auth: () => OK },
    settings: LOGIN,
    want: SENT,
    auth: ["AUTH PLAIN ^@user^@secret"],
  },
  "login: AUTH twice": {
    script: {
      ehlo: ["AUTH LOGIN", "AUTH=PLAIN"],
      auth: (line) => line.startsWith("AUTH PLAIN") ? OK : REFUSED,
    },
    settings: LOGIN,
    want: SENT,
    auth: ["AUTH PLAIN ^@user^@secret"],
  },
  "login by host and port": {
    script: server("PLAIN"),
    settings: passwords("[127.0.0.1]:PORT"),
    want: SENT,
    auth: ["AUTH PLAIN ^@user^@secret"],
  },
  "login: the host's name comes before the next hop": {
    script: server("PLAIN"),
    settings: {
      ...LOGIN,
      smtp_sasl_password_maps: "inline:{{[127.0.0.1]:PORT=hop:x},{127.0.0.1=host:y}}",
    },
    want: SENT,
    auth: ["AUTH PLAIN ^@host^@y"],
  },
  "login: a key that nothing asks for": {
    script: server("PLAIN"),
    settings: passwords("[127.0.0.1]"),
    want: SENT,
    auth: [],
  },
  "login: no entry, and the server demands it": {
    script: { ...server("PLAIN"), mail: "530 5.7.0 Authentication required" },
    settings: passwords("elsewhere.example"),
    want: [
      `bounced 5.7.0 (host ${H} said: 530 5.7.0 Authentication required (in reply to MAIL FROM command))`,
    ],
    auth: [],
  },
  "login: the server offers none": {
    script: {},
    settings: LOGIN,
    want: SENT,
    auth: [],
  },
  "login by sender": {
    script: server("PLAIN"),
    settings: {
      ...passwords("Ann@Example.com", "ann:hers"),
      smtp_sender_dependent_authentication: true,
    },
    want: SENT,
    auth: ["AUTH PLAIN ^@ann^@hers"],
  },
  "login by the sender's domain": {
    script: server("PLAIN"),
    settings: { ...passwords("@example.com", "all:theirs"), smtp_sender_dependent_authentication: true },
    want: SENT,
    auth: ["AUTH PLAIN ^@all^@theirs"],
  },
  "login by sender is not asked for": {
    script: server("PLAIN"),
    settings: passwords("ann@example.com"),
    want: SENT,
    auth: [],
  },
  "login: entry without a password": {
    script: server("PLAIN"),
    settings: passwords("127.0.0.1", "user"),
    want: SENT,
    auth: ["AUTH PLAIN ^@user^@"],
  },
  "login: password with colons": {
    script: server("PLAIN"),
    settings: passwords("127.0.0.1", "user:a:b"),
    want: SENT,
    auth: ["AUTH PLAIN ^@user^@a:b"],
  },
  "login refused for good": {
    script: server("PLAIN", () => REFUSED),
    settings: LOGIN,
    want: [`deferred 4.7.8 (SASL authentication failed; server ${H} said: ${REFUSED})`],
  },
  "login refused for good, without soft bounce": {
    script: server("PLAIN", () => REFUSED),
    settings: { ...LOGIN, smtp_sasl_auth_soft_bounce: false },
    want: [`bounced 5.7.8 (SASL authentication failed; server ${H} said: ${REFUSED})`],
  },
  "login refused for now, without soft bounce": {
    script: server("PLAIN", () => "454 4.7.0 Temporary authentication failure"),
    settings: { ...LOGIN, smtp_sasl_auth_soft_bounce: false },
    want: [
      `deferred 4.7.0 (SASL authentication failed; server ${H} said: 454 4.7.0 Temporary authentication failure)`,
    ],
  },
  "login refused without a status": {
    script: server("PLAIN", () => "535 no"),
    settings: LOGIN,
    want: [`deferred 4.0.0 (SASL authentication failed; server ${H} said: 535 no)`],
  },
  "login with LOGIN refused at the second answer": {
    script: server("LOGIN", twoSteps),
    settings: passwords("127.0.0.1", "user:wrong"),
    want: [`deferred 4.7.8 (SASL authentication failed; server ${H} said: ${REFUSED})`],
    auth: ["AUTH LOGIN", "user", "wrong"],
  },
  "login: mechanism filter leaves none": {
    script: server("PLAIN LOGIN"),
    settings: { ...LOGIN, smtp_sasl_mechanism_filter: "cram-md5" },
    want: [NONE_COMPATIBLE],
    log: [`warning: ${H}:P offered no supported AUTH mechanisms: 'PLAIN LOGIN'`],
    auth: [],
  },
  "login: mechanism filter leaves one": {
    script: server("PLAIN LOGIN CRAM-MD5", twoSteps),
    settings: { ...LOGIN, smtp_sasl_mechanism_filter: "!cram-md5,!plain,static:rest" },
    want: SENT,
    auth: ["AUTH LOGIN", "user", "secret"],
  },
  "login: AUTH without a mechanism": {
    script: { ehlo: ["AUTH"], auth: () => OK },
    settings: LOGIN,
    want: [NONE_COMPATIBLE],
    log: [`warning: ${H}:P offered null AUTH mechanism list`],
  },
  "login: security options leave none": {
    script: server("PLAIN LOGIN"),
    settings: { ...LOGIN, smtp_sasl_security_options: "noplaintext,noanonymous" },
    want: [
      `deferred 4.7.0 (SASL authentication failed; cannot authenticate to server ${H}: no mechanism available)`,
    ],
    auth: [],
  },
  "login: mechanisms that nobody knows": {
    script: server("FOO BAR"),
    settings: LOGIN,
    want: [
      `deferred 4.7.0 (SASL authentication failed; cannot authenticate to server ${H}: no mechanism available)`,
    ],
    auth: [],
  },
  "login: filter leaves none, and no entry": {
    script: server("PLAIN"),
    settings: { ...passwords("elsewhere.example"), smtp_sasl_mechanism_filter: "cram-md5" },
    want: SENT,
    log: [`warning: ${H}:P offered no supported AUTH mechanisms: 'PLAIN'`],
  },
  "login: the server drops the line": {
    script: server("PLAIN", () => "drop"),
    settings: LOGIN,
    want: [`deferred 4.4.2 (lost connection with ${H} while performing the EHLO handshake)`],
  },
  "login: the server asks without end": {
    script: server("LOGIN", () => challenge("more:")),
    settings: LOGIN,
    want: [
      `deferred 4.7.0 (SASL authentication failed; cannot authenticate to server ${H}: generic failure)`,
    ],
  },
  "login: a challenge that is no base64": {
    script: server("LOGIN", () => "334 ???"),
    settings: LOGIN,
    want: [
      `deferred 4.7.0 (SASL authentication failed; cannot authenticate to server ${H}: another step is needed in authentication)`,
    ],
  },
  "login: a bare 334": {
    script: server("PLAIN", (_, count) => count === 0 ? "334 " : OK),
    settings: LOGIN,
    want: [
      `deferred 4.7.0 (SASL authentication failed; cannot authenticate to server ${H}: generic failure)`,
    ],
  },
  "login: a table in trouble": {
    script: server("PLAIN"),
    settings: { ...LOGIN, smtp_sasl_password_maps: "fail:down" },
    want: [`deferred 4.3.0 (local data error while talking to ${H})`],
    log: ["warning: ID: smtp_sasl_password_maps lookup error"],
  },
  "login: dummy MAIL AUTH": {
    script: {
      ...server("PLAIN"),
      mail: (line) => line.endsWith(" AUTH=<>") ? "250 2.1.0 Ok" : "550 5.7.1 without AUTH",
    },
    settings: { ...LOGIN, smtp_send_dummy_mail_auth: true },
    want: SENT,
    auth: ["AUTH PLAIN ^@user^@secret"],
  },
  "login: SCRAM-SHA-256 is known": {
    script: server("SCRAM-SHA-256", () => REFUSED),
    settings: LOGIN,
    want: [`deferred 4.7.8 (SASL authentication failed; server ${H} said: ${REFUSED})`],
  },
  "login is off": {
    script: server("PLAIN"),
    settings: { ...LOGIN, smtp_sasl_auth_enable: false },
    want: SENT,
    auth: [],
  },
  "LMTP logs in with its own parameters": {
    script: { lhlo: ["PIPELINING", "AUTH PLAIN"], auth: () => OK },
    lmtp: true,
    settings: {
      lmtp_sasl_auth_enable: true,
      lmtp_sasl_password_maps: "inline:{127.0.0.1=user:secret}",
      lmtp_sasl_security_options: "noanonymous",
    },
    want: SENT,
    auth: ["AUTH PLAIN ^@user^@secret"],
  },
};
