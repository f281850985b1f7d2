// What an SMTP server can do to a client. Each scene is played to our client and to Postfix's.
import type { PeerScript } from "../servers/smtp_peer.ts";

export interface Scene {
  readonly script: PeerScript;
  readonly to?: readonly string[];
  /** Client parameters, as main.cf has them, in seconds. */
  readonly settings?: Readonly<Record<string, string | number | boolean>>;
  /** What the delivery lines say, by recipient: `status dsn (text)`; P stands for the port. */
  readonly want: readonly string[];
  /** Other lines of the client's log. */
  readonly log?: readonly string[];
  /** Seconds that the message has waited before. */
  readonly age?: number;
  /** LMTP instead of SMTP. */
  readonly lmtp?: boolean;
  /** What the server is to hear of AUTH dialogues, base64 as text. */
  readonly auth?: readonly string[];
  /** No server at all. */
  readonly noServer?: boolean;
}

const H = "127.0.0.1[127.0.0.1]";

/** A filter of replies that makes a lasting refusal a passing one, and other things of other lines. */
const FILTERS = (program: "smtp" | "lmtp") => ({
  [`${program}_reply_filter`]:
    String.raw`pcre:{{/^550 5\.1\.1 (.*)/ 450 4.1.1 $1}, {/^451-4\.0\.0 (.*)/ 551-5.9.9 changed $1}, ` +
    String.raw`{/^553 gone/ 250 2.5.0 fine}, {/^220 hidden/ 554 5.5.4 no}}`,
});
const SAID = (from: string, to: string) => `${H}:P: replacing server reply "${from}" with "${to}"`;
const PIX = "220 ****2***0***";

/** The scenes by name. */
export const CLIENT_SCENES: Readonly<Record<string, Scene>> = {
  accepted: { script: {}, want: ["sent 2.0.0 (250 2.0.0 Ok: queued as 12345)"] },
  "accepted without status": { script: { dot: "250 thanks" }, want: ["sent 2.0.0 (250 thanks)"] },
  "multi-line acceptance": {
    script: { dot: "250-2.0.0 first\r\n250 2.0.0 second" },
    want: ["sent 2.0.0 (250-2.0.0 first 250 2.0.0 second)"],
  },
  "nobody listens": {
    script: {},
    noServer: true,
    want: [`deferred 4.4.1 (connect to ${H}:P: Connection refused)`],
    log: [`connect to ${H}:P: Connection refused`],
  },
  "greeting 421": {
    script: { greeting: "421 4.3.2 busy" },
    want: [`deferred 4.3.2 (host ${H} refused to talk to me: 421 4.3.2 busy)`],
  },
  "greeting 554 is temporary": {
    script: { greeting: "554 5.7.1 no service" },
    want: [`deferred 4.7.1 (host ${H} refused to talk to me: 554 5.7.1 no service)`],
  },
  "greeting 554 without skip": {
    script: { greeting: "554 no service" },
    settings: { smtp_skip_5xx_greeting: false },
    want: [`bounced 5.0.0 (host ${H} refused to talk to me: 554 no service)`],
  },
  "greeting is multi-line": {
    script: { greeting: "220-hello\r\n220 there" },
    want: ["sent 2.0.0 (250 2.0.0 Ok: queued as 12345)"],
  },
  "greeting of the wrong class": {
    script: { greeting: "354 go" },
    want: [`bounced 5.5.0 (host ${H} refused to talk to me: 354 go)`],
  },
  "drops at connect": {
    script: { greeting: "drop" },
    want: [`deferred 4.4.2 (lost connection with ${H} while receiving the initial server greeting)`],
  },
  "silent at connect": {
    script: { greeting: "silent" },
    settings: { smtp_helo_timeout: 1 },
    want: [`deferred 4.4.2 (conversation with ${H} timed out while receiving the initial server greeting)`],
  },
  "drops at EHLO": {
    script: { ehlo: "drop" },
    want: [`deferred 4.4.2 (lost connection with ${H} while performing the EHLO handshake)`],
  },
  "EHLO 421": {
    script: { ehlo: "421 4.7.0 go away" },
    want: [`deferred 4.7.0 (host ${H} refused to talk to me: 421 4.7.0 go away)`],
  },
  "knows only HELO": {
    script: { ehlo: "502 5.5.1 unknown" },
    want: ["sent 2.0.0 (250 2.0.0 Ok: queued as 12345)"],
  },
  "refuses EHLO and HELO": {
    script: { ehlo: "502 unknown", helo: "550 5.7.1 no" },
    want: [`bounced 5.7.1 (host ${H} refused to talk to me: 550 5.7.1 no)`],
  },
  "drops at HELO": {
    script: { ehlo: "502 unknown", helo: "drop" },
    want: [`deferred 4.4.2 (lost connection with ${H} while performing the HELO handshake)`],
  },
  "MAIL refused": {
    script: { mail: "550 5.1.8 bad sender" },
    want: [`bounced 5.1.8 (host ${H} said: 550 5.1.8 bad sender (in reply to MAIL FROM command))`],
  },
  "MAIL refused without pipelining": {
    script: { ehlo: [], mail: "450 4.1.8 later" },
    want: [`deferred 4.1.8 (host ${H} said: 450 4.1.8 later (in reply to MAIL FROM command))`],
  },
  "drops at MAIL": {
    script: { mail: "drop" },
    want: [`deferred 4.4.2 (lost connection with ${H} while sending MAIL FROM)`],
  },
  "silent at MAIL": {
    script: { ehlo: [], mail: "silent" },
    settings: { smtp_mail_timeout: 1 },
    want: [`deferred 4.4.2 (conversation with ${H} timed out while sending MAIL FROM)`],
  },
  "one of three recipients refused": {
    script: { rcpt: (line) => line.includes("bad") ? "550 5.1.1 <bad> unknown" : "250 ok" },
    to: ["a@D", "bad@D", "c@D"],
    want: [
      "sent 2.0.0 (250 2.0.0 Ok: queued as 12345)",
      `bounced 5.1.1 (host ${H} said: 550 5.1.1 <bad> unknown (in reply to RCPT TO command))`,
      "sent 2.0.0 (250 2.0.0 Ok: queued as 12345)",
    ],
  },
  "all recipients refused": {
    script: { rcpt: "550-5.7.1 line one\r\n550 5.7.1 line two" },
    to: ["a@D", "b@D"],
    want: [
      `bounced 5.7.1 (host ${H} said: 550-5.7.1 line one 550 5.7.1 line two (in reply to RCPT TO command))`,
      `bounced 5.7.1 (host ${H} said: 550-5.7.1 line one 550 5.7.1 line two (in reply to RCPT TO command))`,
    ],
  },
  "all recipients refused, DATA too": {
    script: { rcpt: "450 4.2.1 later", data: "554 5.5.1 no valid recipients" },
    want: [`deferred 4.2.1 (host ${H} said: 450 4.2.1 later (in reply to RCPT TO command))`],
  },
  "all recipients refused without pipelining": {
    script: { ehlo: ["8BITMIME"], rcpt: "550 no" },
    want: [`bounced 5.0.0 (host ${H} said: 550 no (in reply to RCPT TO command))`],
  },
  "RCPT 421": {
    script: { rcpt: "421 4.7.0 slow down" },
    want: [`deferred 4.7.0 (host ${H} said: 421 4.7.0 slow down (in reply to RCPT TO command))`],
  },
  "status contradicts the code": {
    script: { rcpt: "550 4.1.1 what" },
    want: [`bounced 5.0.0 (host ${H} said: 550 4.1.1 what (in reply to RCPT TO command))`],
  },
  "a 3xx to RCPT": {
    script: { rcpt: "354 go ahead" },
    want: [`bounced 5.5.0 (host ${H} said: 354 go ahead (in reply to RCPT TO command))`],
  },
  "drops at RCPT": {
    script: { rcpt: "drop" },
    want: [`deferred 4.4.2 (lost connection with ${H} while sending RCPT TO)`],
  },
  "drops at the second RCPT": {
    script: { rcpt: (_, count) => count === 0 ? "250 ok" : "drop" },
    to: ["a@D", "b@D"],
    want: [
      `deferred 4.4.2 (lost connection with ${H} while sending RCPT TO)`,
      `deferred 4.4.2 (lost connection with ${H} while sending RCPT TO)`,
    ],
  },
  "DATA refused": {
    script: { data: "451 4.3.0 not now" },
    want: [`deferred 4.3.0 (host ${H} said: 451 4.3.0 not now (in reply to DATA command))`],
  },
  "DATA answered 250": {
    script: { data: "250 ok" },
    want: [`bounced 5.5.0 (Protocol error: host ${H} said: 250 ok (in reply to DATA command))`],
  },
  "drops at DATA": {
    script: { data: "drop" },
    want: [`deferred 4.4.2 (lost connection with ${H} while sending DATA command)`],
  },
  "silent at DATA": {
    script: { data: "silent" },
    settings: { smtp_data_init_timeout: 1 },
    want: [`deferred 4.4.2 (conversation with ${H} timed out while sending DATA command)`],
  },
  "content refused": {
    script: { dot: "554 5.7.1 spam" },
    want: [`bounced 5.7.1 (host ${H} said: 554 5.7.1 spam (in reply to end of DATA command))`],
  },
  "content deferred": {
    script: { dot: "451 4.7.1 greylisted" },
    to: ["a@D", "b@D"],
    want: [
      `deferred 4.7.1 (host ${H} said: 451 4.7.1 greylisted (in reply to end of DATA command))`,
      `deferred 4.7.1 (host ${H} said: 451 4.7.1 greylisted (in reply to end of DATA command))`,
    ],
  },
  "drops after the content": {
    script: { dot: "drop" },
    want: [
      `deferred 4.4.2 (lost connection with ${H} while sending end of data -- message may be sent more than once)`,
    ],
  },
  "silent after the content": {
    script: { ehlo: [], dot: "silent" },
    settings: { smtp_data_done_timeout: 1 },
    want: [
      `deferred 4.4.2 (conversation with ${H} timed out while sending end of data -- message may be sent more than once)`,
    ],
  },
  "message too big for SIZE": {
    script: { ehlo: ["SIZE 10", "PIPELINING"] },
    want: [`bounced 5.3.4 (message size S exceeds size limit 10 of server ${H})`],
  },
  "unprintable reply": {
    script: { rcpt: "550 5.1.1 a\tb\x01c\xff" },
    want: [`bounced 5.1.1 (host ${H} said: 550 5.1.1 a?b?c? (in reply to RCPT TO command))`],
  },
  "reply without text": {
    script: { rcpt: "550" },
    want: [`bounced 5.0.0 (host ${H} said: 550 (in reply to RCPT TO command))`],
  },
  "garbage before a reply": {
    script: { mail: "hello there\r\n250 ok" },
    want: ["sent 2.0.0 (250 2.0.0 Ok: queued as 12345)"],
    log: [
      `warning: ID: non-ESMTP response from ${H}:P: hello there`,
      "warning: to prevent loss of mail, turn off command pipelining for 127.0.0.1 with the smtp_discard_ehlo_keyword_address_maps parameter",
    ],
  },
  "keywords not to be believed": {
    script: { mail: (line) => line.includes("SIZE") ? "555 no size" : "250 ok" },
    settings: { smtp_discard_ehlo_keywords: "size,pipelining" },
    want: ["sent 2.0.0 (250 2.0.0 Ok: queued as 12345)"],
    log: ["discarding EHLO keywords: PIPELINING SIZE"],
  },
  "keywords discarded in silence": {
    script: {},
    settings: { smtp_discard_ehlo_keywords: "size,silent-discard" },
    want: ["sent 2.0.0 (250 2.0.0 Ok: queued as 12345)"],
  },
  "LMTP accepts": {
    lmtp: true,
    script: {},
    to: ["a@D", "b@D"],
    want: ["sent 2.0.0 (250 2.0.0 Ok: queued as 12345)", "sent 2.0.0 (250 2.0.0 Ok: queued as 12345)"],
  },
  "LMTP answers by recipient": {
    lmtp: true,
    script: {
      dot: (_, rcpt) =>
        rcpt!.startsWith("a")
          ? "250 2.1.5 stored"
          : rcpt!.startsWith("b")
          ? "452 4.2.2 full"
          : "552 5.2.2 over",
    },
    to: ["a@D", "b@D", "c@D"],
    want: [
      "sent 2.1.5 (250 2.1.5 stored)",
      `deferred 4.2.2 (host ${H} said: 452 4.2.2 full (in reply to end of DATA command))`,
      `bounced 5.2.2 (host ${H} said: 552 5.2.2 over (in reply to end of DATA command))`,
    ],
  },
  "LMTP with a refused recipient in the middle": {
    lmtp: true,
    script: {
      rcpt: (line) => line.includes("b@") ? "550 5.1.1 who" : "250 ok",
      dot: (_, rcpt) => `250 2.0.0 for ${rcpt}`,
    },
    to: ["a@D", "b@D", "c@D"],
    want: [
      "sent 2.0.0 (250 2.0.0 for a@D)",
      `bounced 5.1.1 (host ${H} said: 550 5.1.1 who (in reply to RCPT TO command))`,
      "sent 2.0.0 (250 2.0.0 for c@D)",
    ],
  },
  "LMTP drops at LHLO": {
    lmtp: true,
    script: { lhlo: "drop" },
    want: [`deferred 4.4.2 (lost connection with ${H} while performing the LHLO handshake)`],
  },
  "a filter makes a refusal another one": {
    script: { rcpt: "550 5.1.1 no such" },
    settings: FILTERS("smtp"),
    want: [`deferred 4.1.1 (host ${H} said: 450 4.1.1 no such (in reply to RCPT TO command))`],
    log: [SAID("550 5.1.1 no such", "450 4.1.1 no such")],
  },
  "a filter changes one line of two": {
    script: { rcpt: "451-4.0.0 a\r\n451 4.0.0 b" },
    settings: FILTERS("smtp"),
    want: [
      `deferred 4.0.0 (host ${H} said: 551-5.9.9 changed a 451 4.0.0 b (in reply to RCPT TO command))`,
    ],
    log: [SAID("451-4.0.0 a", "551-5.9.9 changed a")],
  },
  "a filter makes a refusal of content a success": {
    script: { dot: "553 gone" },
    settings: FILTERS("smtp"),
    want: ["sent 2.5.0 (250 2.5.0 fine)"],
    log: [SAID("553 gone", "250 2.5.0 fine")],
  },
  "a filter makes a greeting a refusal": {
    script: { greeting: "220 hidden" },
    settings: { ...FILTERS("smtp"), smtp_skip_5xx_greeting: false },
    want: [`bounced 5.5.4 (host ${H} refused to talk to me: 554 5.5.4 no)`],
    log: [SAID("220 hidden", "554 5.5.4 no")],
  },
  "LMTP, a filter": {
    lmtp: true,
    script: { dot: "550 5.1.1 no such" },
    settings: FILTERS("lmtp"),
    want: [`deferred 4.1.1 (host ${H} said: 450 4.1.1 no such (in reply to end of DATA command))`],
    log: [SAID("550 5.1.1 no such", "450 4.1.1 no such")],
  },
  "a firewall that hides the greeting": {
    script: { greeting: PIX, ehlo: "500 no" },
    want: ["sent 2.0.0 (250 2.0.0 Ok: queued as 12345)"],
    log: [`ID: enabling PIX workarounds: disable_esmtp for ${H}:P`],
  },
  "a firewall, and a message that has waited": {
    script: { greeting: PIX },
    settings: { smtp_pix_workaround_threshold_time: 1, smtp_pix_workaround_delay_time: 1 },
    age: 2,
    want: ["sent 2.0.0 (250 2.0.0 Ok: queued as 12345)"],
    log: [`ID: enabling PIX workarounds: disable_esmtp delay_dotcrlf for ${H}:P`],
  },
  "a firewall at LMTP, by a table": {
    lmtp: true,
    script: { greeting: PIX },
    settings: { lmtp_pix_workaround_maps: "inline:{127.0.0.1=disable_esmtp}", lmtp_pix_workarounds: "" },
    want: ["sent 2.0.0 (250 2.0.0 Ok: queued as 12345)"],
    log: [`ID: enabling PIX workarounds: disable_esmtp for ${H}:P`],
  },
  "LMTP refuses LHLO": {
    lmtp: true,
    script: { lhlo: "500 5.5.2 what" },
    want: [`bounced 5.5.2 (host ${H} refused to talk to me: 500 5.5.2 what)`],
  },
};
