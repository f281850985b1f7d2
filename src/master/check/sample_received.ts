import { mailDate } from "../../message/date.ts";

/** Who a sample message is from and for. */
interface Sample {
  readonly helo: string;
  readonly client: string;
  readonly address: string;
  readonly login: string;
  readonly recipient: string;
}

/** The name a Received: field gives the software, and the host that writes it. */
export interface Writer {
  readonly mailName: string;
  readonly myhostname: string;
}

const SAMPLE: Sample = {
  helo: "client.example.org",
  client: "client.example.org",
  address: "192.0.2.10",
  login: "ann@example.com",
  recipient: "bob@example.net",
};

/** What people's rules single out: this machine, private networks, a client without a name, IPv6. */
const CLIENTS: readonly Sample[] = [
  SAMPLE,
  { ...SAMPLE, helo: "localhost", client: "localhost", address: "127.0.0.1" },
  { ...SAMPLE, helo: "[192.168.1.10]", client: "unknown", address: "192.168.1.10" },
  { ...SAMPLE, helo: "[10.0.0.10]", client: "unknown", address: "10.0.0.10" },
  { ...SAMPLE, helo: "[172.16.0.10]", client: "unknown", address: "172.16.0.10" },
  { ...SAMPLE, helo: "laptop", client: "unknown", address: "IPv6:2001:db8::10" },
];

/** A client by each word that a rule has. */
const named = (word: string): Sample[] => [
  { ...SAMPLE, helo: word, client: word },
  { ...SAMPLE, address: word },
  { ...SAMPLE, login: word, recipient: word },
];

const TLS = [
  "(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)",
  " key-exchange X25519 server-signature RSA-PSS (2048 bits) server-digest SHA256)",
  "(No client certificate requested)",
];
const ID = "4BCD51240F7";
const DATE = mailDate(0);

/** The fields of one message in each kind of session (RFC 3848), with one recipient and with several. */
function sessions({ helo, client, address, login, recipient }: Sample, { mailName, myhostname }: Writer) {
  const from = `from ${helo} (${client} [${address}])`;
  const user = `(Authenticated sender: ${login})`;
  const field = (
    protocol: string,
    ...between: readonly string[]
  ) => [
    from,
    ...between,
    `by ${myhostname} (${mailName}) with ${protocol} id ${ID}`,
    `for <${recipient}>; ${DATE}`,
  ];
  const [several] = [field("ESMTP").slice(0, -1)];
  return [
    field("ESMTP"),
    field("SMTP"),
    field("ESMTPS", ...TLS),
    field("ESMTPA", user),
    field("ESMTPSA", ...TLS, user),
    [...several!.slice(0, -1), `${several!.at(-1)};`, DATE],
  ];
}

/** The fields of mail that comes from no client: from sendmail(1), made here, or with smtpd_hide_client_session. */
function own({ mailName, myhostname }: Writer): string[][] {
  return [
    [`by ${myhostname} (${mailName}, from userid 1000)`, `id ${ID}; ${DATE}`],
    [`by ${myhostname} (${mailName})`, `id ${ID}; ${DATE}`],
  ];
}

/** Received: fields of sample sessions as the writer puts them, as tables see them; `words` become names and addresses in some. */
export function sampleReceived(writer: Writer, words: readonly string[]): string[] {
  const clients = [...CLIENTS, ...words.flatMap(named)];
  return [...clients.flatMap((each) => sessions(each, writer)), ...own(writer)]
    .map((lines) => `Received: ${lines.join("\n\t")}`);
}
