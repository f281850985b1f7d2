import type { DnsRecord } from "./record.ts";

/** What stands behind the type in a record's text; names end in a dot. */
function dataText(record: DnsRecord): string {
  switch (record.type) {
    case "A":
    case "AAAA":
      return record.address;
    case "MX":
      return `${record.preference} ${record.exchange}.`;
    case "CNAME":
    case "NS":
    case "PTR":
      return `${record.target}.`;
    case "TXT":
      return record.text;
    case "SOA":
      return `- - 0 0 0 0 ${record.minimum}`;
    case "SRV":
      return `${record.priority} ${record.weight} ${record.port} ${record.target}.`;
    case "TLSA":
      return `${record.usage} ${record.selector} ${record.matchingType} ${
        Buffer.from(record.data).toString("hex").toUpperCase()
      }`;
  }
}

/** A record as Postfix writes it, for its filters and its log (smtp_dns_reply_filter): `example.com. 60 IN MX 10 mail.example.com.` */
export function recordText(record: DnsRecord): string {
  return `${record.name}. ${record.ttl} IN ${record.type} ${dataText(record)}`;
}
