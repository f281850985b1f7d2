import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { AggregateReport } from "./aggregate_report.ts";
import { parseReport } from "./parse_report.ts";
import { printReport } from "./print_report.ts";
import { readXml } from "./read_xml.ts";

const read = (xml: string): AggregateReport => {
  const report = parseReport(xml);
  if ("fault" in report) throw new Error(report.fault);
  return report;
};
const faultOf = (xml: string): string => {
  const report = parseReport(xml);
  return "fault" in report ? report.fault : "none";
};

const METADATA = `<report_metadata><org_name>big.example</org_name><email>noreply@big.example</email>
  <report_id>13421</report_id><date_range><begin>1772582400</begin><end>1772668799</end></date_range></report_metadata>`;
const POLICY = `<policy_published><domain>example.com</domain><p>none</p></policy_published>`;
const record = (inside = "") =>
  `<record><row><source_ip>192.0.2.1</source_ip><count>2</count>${inside}</row></record>`;

describe("parseReport() reads what large senders write", () => {
  test("RFC 7489 without a namespace, with policy overrides and two signatures", () => {
    const report = read(`<?xml version="1.0" encoding="UTF-8" ?>
<feedback>
  <version>1.0</version>
  <report_metadata>
    <org_name>big.example</org_name>
    <email>noreply-dmarc@big.example</email>
    <extra_contact_info>https://support.big.example/dmarc</extra_contact_info>
    <report_id>5717107811868587391</report_id>
    <date_range>
      <begin>1772582400</begin>
      <end>1772668799</end>
    </date_range>
  </report_metadata>
  <policy_published>
    <domain>example.com</domain>
    <adkim>r</adkim>
    <aspf>r</aspf>
    <p>quarantine</p>
    <sp>quarantine</sp>
    <pct>100</pct>
    <np>quarantine</np>
  </policy_published>
  <record>
    <row>
      <source_ip>2001:db8::25</source_ip>
      <count>3</count>
      <policy_evaluated>
        <disposition>none</disposition>
        <dkim>fail</dkim>
        <spf>fail</spf>
        <reason>
          <type>local_policy</type>
          <comment>arc=pass</comment>
        </reason>
        <reason><type>mailing_list</type><comment/></reason>
      </policy_evaluated>
    </row>
    <identifiers>
      <header_from>example.com</header_from>
    </identifiers>
    <auth_results>
      <dkim>
        <domain>lists.example.net</domain>
        <result>pass</result>
        <selector>s1</selector>
      </dkim>
      <dkim>
        <domain>example.com</domain>
        <result>fail</result>
        <selector>2026</selector>
        <human_result>body hash &amp; signature &lt;differ&gt;</human_result>
      </dkim>
      <spf>
        <domain>lists.example.net</domain>
        <result>pass</result>
      </spf>
    </auth_results>
  </record>
</feedback>
`);
    expect(report).toMatchObject({
      organization: "big.example",
      contact: "https://support.big.example/dmarc",
      id: "5717107811868587391",
      begin: 1772582400,
      end: 1772668799,
      policy: { domain: "example.com", p: "quarantine", pct: "100", np: "quarantine" },
    });
    expect(report.records).toEqual([{
      sourceIp: "2001:db8::25",
      count: 3,
      disposition: "none",
      dkim: "fail",
      spf: "fail",
      reasons: [{ type: "local_policy", comment: "arc=pass" }, { type: "mailing_list", comment: "" }],
      headerFrom: "example.com",
      envelopeFrom: undefined,
      envelopeTo: undefined,
      signatures: [
        { domain: "lists.example.net", selector: "s1", result: "pass", detail: undefined },
        {
          domain: "example.com",
          selector: "2026",
          result: "fail",
          detail: "body hash & signature <differ>",
        },
      ],
      senders: [{ domain: "lists.example.net", scope: undefined, result: "pass", detail: undefined }],
    }]);
  });

  test("with schema attributes on the root, and envelope_to", () => {
    const report = read(`<?xml version="1.0"?>
<feedback xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <version>1.0</version>${METADATA}${POLICY}
  <record><row><source_ip>192.0.2.9</source_ip><count>1</count>
    <policy_evaluated><disposition>none</disposition><dkim>pass</dkim><spf>pass</spf></policy_evaluated></row>
    <identifiers><envelope_to>receiver.example</envelope_to><envelope_from>example.com</envelope_from>
      <header_from>example.com</header_from></identifiers>
    <auth_results><spf><domain>example.com</domain><scope>mfrom</scope><result>pass</result></spf></auth_results>
  </record></feedback>`);
    expect(report.records[0]).toMatchObject({ envelopeTo: "receiver.example", envelopeFrom: "example.com" });
    expect(report.records[0]!.senders[0]!.scope).toBe("mfrom");
  });

  test("with prefixes on all names, RFC 9990's elements and extensions", () => {
    const body = `<version>1.0</version>${METADATA}
      <policy_published><domain>example.com</domain><p>reject</p><testing>y</testing>
      <discovery_method>treewalk</discovery_method></policy_published>${record()}`
      .replace(/<(\/?)(?=[a-z])/g, "<$1d:");
    const extension = `<extension xmlns:x="urn:x"><x:a b="<&amp;>">text</x:a></extension>`.replace(
      "<&amp;>",
      "&lt;",
    );
    const report = read(
      `<d:feedback xmlns:d="urn:ietf:params:xml:ns:dmarc-2.0"><!-- made by hand -->${body}${extension}</d:feedback>`,
    );
    expect(report.policy).toMatchObject({ testing: "y", discovery: "treewalk" });
    expect(report.records).toHaveLength(1);
  });

  test("in one line, in CDATA, with a byte order mark, without what may be left out", () => {
    const report = read(
      `\ufeff<feedback>${METADATA.replace("big.example", "<![CDATA[Big & Co]]>")}${POLICY}</feedback>\n`,
    );
    expect([report.organization, report.records]).toEqual(["Big & Co", []]);
  });
});

test("a report is read back as it was printed", () => {
  const text = fc.oneof(fc.string({ maxLength: 30 }), fc.constantFrom("a&b", "<x>", "]]>", "é€😀", "\"'"))
    .map((value) => value.replace(/[^\x20-\x7eé€😀]/gu, "").replace(/\s+/g, " ").trim());
  const maybe = fc.option(text, { nil: undefined });
  const ip = fc.constantFrom("192.0.2.1", "2001:db8::1");
  const arbitrary = fc.record({
    organization: text,
    email: text,
    contact: maybe,
    id: text,
    begin: fc.nat(),
    end: fc.nat(),
    errors: fc.array(text.filter((value) => value !== ""), { maxLength: 1 }),
    generator: maybe,
    policy: fc.record({
      domain: fc.domain(),
      adkim: maybe,
      aspf: maybe,
      p: text,
      sp: maybe,
      np: maybe,
      pct: fc.constant(undefined),
      fo: maybe,
      testing: maybe,
      discovery: maybe,
    }),
    records: fc.array(
      fc.record({
        sourceIp: ip,
        count: fc.nat(),
        disposition: text,
        dkim: text,
        spf: text,
        reasons: fc.array(fc.record({ type: text, comment: maybe }), { maxLength: 3 }),
        headerFrom: text,
        envelopeFrom: maybe,
        envelopeTo: maybe,
        signatures: fc.array(fc.record({ domain: text, selector: maybe, result: text, detail: maybe }), {
          maxLength: 3,
        }),
        senders: fc.array(fc.record({ domain: text, scope: maybe, result: text, detail: maybe }), {
          maxLength: 2,
        }),
      }),
      { maxLength: 4 },
    ),
  });
  fc.assert(fc.property(arbitrary, (report) => expect(parseReport(printReport(report))).toEqual(report)));
});

describe("parseReport() says what is wrong", () => {
  const rows: readonly (readonly [xml: string, fault: string])[] = [
    ["", "no element"],
    ["no xml", "line 1: text outside of the document"],
    ["<html></html>", "<html> is no report"],
    ["<feedback>", "<feedback> is not closed"],
    ["<feedback></feedbak>", "line 1: </feedbak> closes nothing"],
    ["<feedback/><feedback/>", "line 1: a second document"],
    ["<feedback a=b/>", "line 1: a tag that is none, or too long"],
    ["<feedback>\n<a>&nbsp;</a></feedback>", "line 2: unknown entity"],
    ["<feedback>&#0;</feedback>", "line 1: unknown entity"],
    ["<feedback><!-- </feedback>", "line 1: no -->"],
    ["<feedback><![CDATA[ </feedback>", "line 1: CDATA without an end"],
    ["<feedback></feedback>", "no report_metadata"],
    [`<feedback>${METADATA}</feedback>`, "no policy_published with a domain"],
    [
      `<feedback>${METADATA.replace("1772582400", "yesterday")}${POLICY}</feedback>`,
      "no date_range in seconds since 1970",
    ],
    [
      `<feedback>${METADATA}${POLICY}${record()}${record().replace("192.0.2.1", "192.0.2.256")}</feedback>`,
      'record 2: source_ip "192.0.2.256" is no address',
    ],
    [
      `<feedback>${METADATA}${POLICY}${record().replace(">2<", ">-2<")}</feedback>`,
      "record 1: count is no number",
    ],
  ];
  for (const [xml, fault] of rows) {
    test(`${fault}: ${xml.slice(0, 40)}`, () => expect(faultOf(xml)).toBe(fault));
  }
});

describe("parseReport() is not made to grow", () => {
  test("by entities: document types are refused", () => {
    const laughs = `<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;">]>
      <feedback>&lol2;</feedback>`;
    expect(faultOf(laughs)).toBe("line 1: a document type, which is not read");
    expect(faultOf(`<!DOCTYPE feedback SYSTEM "file:///etc/passwd"><feedback/>`)).toContain(
      "a document type",
    );
  });

  test("by depth, by elements in a record, by records, by long texts and tags", () => {
    expect(faultOf("<feedback>" + "<a>".repeat(100))).toBe("line 1: elements nested too deeply");
    const many = `<record>${"<a/>".repeat(6000)}</record>`;
    expect(faultOf(`<feedback>${many}</feedback>`)).toBe("more than 5000 elements in one");
    const records = record().repeat(100_001);
    expect(faultOf(`<feedback>${records}</feedback>`)).toBe("more than 100000 records");
    const long = METADATA.replace("big.example", "x".repeat(1_000_000));
    expect(read(`<feedback>${long}${POLICY}</feedback>`).organization.length).toBe(1000);
    expect(faultOf(`<feedback a="${"x".repeat(10_000)}"/>`)).toContain("too long");
    const signatures = "<dkim><result>pass</result></dkim>".repeat(1000);
    const signed =
      `<record><row><source_ip>192.0.2.1</source_ip><count>1</count></row><auth_results>${signatures}</auth_results></record>`;
    expect(read(`<feedback>${METADATA}${POLICY}${signed}</feedback>`).records[0]!.signatures.length).toBe(
      100,
    );
  });

  test("and texts cannot command a terminal", () => {
    const report = read(
      `<feedback>${METADATA.replace("big.example", "a&#27;[31m&#x9b;\u0007b")}${POLICY}</feedback>`,
    );
    expect(report.organization).toBe("a?[31m??b");
  });
});

test("no text throws, and what is open is closed", () => {
  const part = fc.oneof(
    fc.string(),
    fc.constantFrom(
      "<feedback>",
      "</feedback>",
      "<record>",
      "<a b='c'/>",
      "<!--",
      "-->",
      "<![CDATA[",
      "]]>",
      "&amp;",
      "&#9;",
      "<?",
      "?>",
      "<",
      ">",
    ),
  );
  fc.assert(fc.property(fc.array(part), (parts) => {
    const text = parts.join("");
    void parseReport(text);
    let depth = 0;
    let isFault = false;
    for (const event of readXml(text)) {
      depth += event.is === "open" ? 1 : event.is === "close" ? -1 : 0;
      isFault ||= event.is === "fault";
    }
    expect(isFault || depth === 0).toBeTrue();
  }));
});
