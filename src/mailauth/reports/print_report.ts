import type {
  AggregateReport,
  ReportedPolicy,
  ReportedRecord,
  ReportedSender,
  ReportedSignature,
} from "./aggregate_report.ts";
import { escapeXml } from "./escape_xml.ts";

/** An element: text, or elements inside; undefined is left out. */
type Content = string | number | undefined | readonly Element[];
type Element = readonly [name: string, content: Content];

/**
 * The report as XML (RFC 9990 appendix A). Elements whose order is free there come in the order of RFC 7489 appendix C, for readers
 * who know that one only.
 */
export function printReport(report: AggregateReport): string {
  const { organization, email, contact, id, begin, end, errors, generator, policy, records } = report;
  const content: Element[] = [
    ["version", "1.0"],
    ["report_metadata", [
      ["org_name", organization],
      ["email", email],
      ["extra_contact_info", contact],
      ["report_id", id],
      ["date_range", [["begin", begin], ["end", end]]],
      ["error", errors.length === 0 ? undefined : errors.join("; ")],
      ["generator", generator],
    ]],
    ["policy_published", policyElements(policy)],
    ...records.map((record): Element => ["record", recordElements(record)]),
  ];
  return `<?xml version="1.0" encoding="UTF-8"?>\n<feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0">\n${
    printElements(content, "  ")
  }</feedback>\n`;
}

function policyElements(policy: ReportedPolicy): readonly Element[] {
  return [
    ["domain", policy.domain],
    ["adkim", policy.adkim],
    ["aspf", policy.aspf],
    ["p", policy.p],
    ["sp", policy.sp],
    ["np", policy.np],
    ["fo", policy.fo],
    ["testing", policy.testing],
    ["discovery_method", policy.discovery],
  ];
}

function recordElements(record: ReportedRecord): readonly Element[] {
  const { sourceIp, count, disposition, dkim, spf, reasons, signatures, senders } = record;
  return [
    ["row", [
      ["source_ip", sourceIp],
      ["count", count],
      ["policy_evaluated", [
        ["disposition", disposition],
        ["dkim", dkim],
        ["spf", spf],
        ...reasons.map(({ type, comment }): Element => ["reason", [["type", type], ["comment", comment]]]),
      ]],
    ]],
    ["identifiers", [
      ["envelope_to", record.envelopeTo],
      ["envelope_from", record.envelopeFrom],
      ["header_from", record.headerFrom],
    ]],
    ["auth_results", [...signatures.map(signatureElement), ...senders.map(senderElement)]],
  ];
}

function signatureElement({ domain, selector, result, detail }: ReportedSignature): Element {
  return ["dkim", [["domain", domain], ["selector", selector], ["result", result], ["human_result", detail]]];
}

function senderElement({ domain, scope, result, detail }: ReportedSender): Element {
  return ["spf", [["domain", domain], ["scope", scope], ["result", result], ["human_result", detail]]];
}

function printElements(elements: readonly Element[], indent: string): string {
  return elements.map(([name, content]) => printElement(name, content, indent)).join("");
}

function printElement(name: string, content: Content, indent: string): string {
  if (content === undefined) return "";
  const inner = typeof content === "object"
    ? `\n${printElements(content, `${indent}  `)}${indent}`
    : escapeXml(String(content));
  return `${indent}<${name}>${inner}</${name}>\n`;
}
