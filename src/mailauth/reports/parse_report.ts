import { parseIp } from "../../address/ip.ts";
import { printable } from "../../base/printable.ts";
import type {
  AggregateReport,
  ReportedPolicy,
  ReportedRecord,
  ReportedSender,
  ReportedSignature,
} from "./aggregate_report.ts";
import { readXml } from "./read_xml.ts";

/** Why a text is no report. */
export interface ReportFault {
  readonly fault: string;
}

/** Records of one report; elements of one record; signatures, reasons and the like of one record; characters of a text. */
const MOST_RECORDS = 100_000;
const MOST_ELEMENTS = 5000;
const MOST_OF_A_KIND = 100;
const LONGEST = 1000;
/** Later than any date of a report, in seconds: the year 9999. */
const LAST_SECOND = 253_402_300_799;

/** An element as it was read: text where there are no elements in it. */
interface Element {
  readonly name: string;
  text: string;
  readonly children: Element[];
}

/** Reads a report: any namespace or none, elements in any order, what is not known is passed over. */
export function parseReport(xml: string): AggregateReport | ReportFault {
  const reading = new Reading();
  for (const event of readXml(xml)) {
    const why = event.is === "fault" ? event.why : reading.take(event);
    if (why !== undefined) return { fault: why };
  }
  return reading.report();
}

/** The report so far. Of the document only what is inside the record that is being read is kept. */
class Reading {
  readonly #open: Element[] = [];
  #elements = 0;
  #metadata: Element | undefined;
  #policy: ReportedPolicy | undefined;
  readonly #records: ReportedRecord[] = [];

  /** Answers what is wrong, if anything. */
  take(
    event: { readonly is: "open"; readonly name: string } | { readonly is: "text"; readonly text: string } | {
      readonly is: "close";
    },
  ): string | undefined {
    const inner = this.#open.at(-1);
    if (event.is === "text") {
      if (inner !== undefined && inner.text.length < LONGEST) inner.text += event.text.slice(0, LONGEST);
      return undefined;
    }
    if (event.is === "close") return this.#close();
    if (inner === undefined && event.name !== "feedback") {
      return `<${printable(event.name.slice(0, 40))}> is no report`;
    }
    const element: Element = { name: event.name, text: "", children: [] };
    if (++this.#elements > MOST_ELEMENTS) return `more than ${MOST_ELEMENTS} elements in one`;
    if (this.#open.length > 1) inner!.children.push(element);
    this.#open.push(element);
    return undefined;
  }

  #close(): string | undefined {
    const element = this.#open.pop()!;
    if (this.#open.length !== 1) return undefined;
    this.#elements = 0;
    if (element.name === "report_metadata") this.#metadata = element;
    if (element.name === "policy_published") this.#policy = policyOf(element);
    return element.name === "record" ? this.#record(element) : undefined;
  }

  #record(element: Element): string | undefined {
    if (this.#records.length === MOST_RECORDS) return `more than ${MOST_RECORDS} records`;
    const record = recordOf(element);
    if (typeof record === "string") return `record ${this.#records.length + 1}: ${record}`;
    this.#records.push(record);
    return undefined;
  }

  report(): AggregateReport | ReportFault {
    const [metadata, policy] = [this.#metadata, this.#policy];
    if (metadata === undefined) return { fault: "no report_metadata" };
    if (policy === undefined || policy.domain === "") return { fault: "no policy_published with a domain" };
    const range = child(metadata, "date_range");
    const [begin, end] = [wholeNumber(range, "begin"), wholeNumber(range, "end")];
    if (begin === undefined || end === undefined || begin > LAST_SECOND || end > LAST_SECOND) {
      return { fault: "no date_range in seconds since 1970" };
    }
    return {
      organization: value(metadata, "org_name") ?? "",
      email: value(metadata, "email") ?? "",
      contact: value(metadata, "extra_contact_info"),
      id: value(metadata, "report_id") ?? "",
      begin,
      end,
      errors: all(metadata, "error").map(textOf).filter((text) => text !== ""),
      generator: value(metadata, "generator"),
      policy,
      records: this.#records,
    };
  }
}

function policyOf(element: Element): ReportedPolicy {
  return {
    domain: value(element, "domain") ?? "",
    adkim: value(element, "adkim"),
    aspf: value(element, "aspf"),
    p: value(element, "p") ?? "",
    sp: value(element, "sp"),
    np: value(element, "np"),
    pct: value(element, "pct"),
    fo: value(element, "fo"),
    testing: value(element, "testing"),
    discovery: value(element, "discovery_method"),
  };
}

/** A record, or what is wrong with it. */
function recordOf(element: Element): ReportedRecord | string {
  const row = child(element, "row");
  const evaluated = child(row, "policy_evaluated");
  // Drafts, and some who follow them, have `identities`.
  const identifiers = child(element, "identifiers") ?? child(element, "identities");
  const results = child(element, "auth_results");
  const [sourceIp, count] = [value(row, "source_ip") ?? "", wholeNumber(row, "count")];
  if (parseIp(sourceIp) === undefined) return `source_ip "${sourceIp.slice(0, 60)}" is no address`;
  if (count === undefined) return "count is no number";
  return {
    sourceIp,
    count,
    disposition: value(evaluated, "disposition") ?? "",
    dkim: value(evaluated, "dkim") ?? "",
    spf: value(evaluated, "spf") ?? "",
    reasons: all(evaluated, "reason").map((reason) => ({
      type: value(reason, "type") ?? "",
      comment: value(reason, "comment"),
    })),
    headerFrom: value(identifiers, "header_from") ?? "",
    envelopeFrom: value(identifiers, "envelope_from"),
    envelopeTo: value(identifiers, "envelope_to"),
    signatures: all(results, "dkim").map(signatureOf),
    senders: all(results, "spf").map(senderOf),
  };
}

function signatureOf(element: Element): ReportedSignature {
  return {
    domain: value(element, "domain") ?? "",
    selector: value(element, "selector"),
    result: value(element, "result") ?? "",
    detail: value(element, "human_result"),
  };
}

function senderOf(element: Element): ReportedSender {
  return {
    domain: value(element, "domain") ?? "",
    scope: value(element, "scope"),
    result: value(element, "result") ?? "",
    detail: value(element, "human_result"),
  };
}

function child(element: Element | undefined, name: string): Element | undefined {
  return element?.children.find((each) => each.name === name);
}

function all(element: Element | undefined, name: string): readonly Element[] {
  return (element?.children ?? []).filter((each) => each.name === name).slice(0, MOST_OF_A_KIND);
}

/** Text on one line, as it may be shown to people. */
function textOf(element: Element): string {
  return printable(element.text.slice(0, LONGEST).replace(/\s+/g, " ").trim());
}

function value(element: Element | undefined, name: string): string | undefined {
  const found = child(element, name);
  return found === undefined ? undefined : textOf(found);
}

function wholeNumber(element: Element | undefined, name: string): number | undefined {
  const text = value(element, name) ?? "";
  const number = /^\+?[0-9]{1,15}$/.test(text) ? Number(text) : undefined;
  return number;
}
