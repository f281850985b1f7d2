import { describe, expect, test } from "bun:test";
import { deflateRawSync } from "node:zlib";
import fc from "fast-check";
import { type Found, reportsIn } from "./reports_in.ts";

const XML =
  `<?xml version="1.0" encoding="UTF-8"?><feedback><report_metadata><org_name>big.example é</org_name>
  <email>a@big.example</email><report_id>1</report_id><date_range><begin>1</begin><end>2</end></date_range></report_metadata>
  <policy_published><domain>example.com</domain><p>none</p></policy_published></feedback>`;

const gzipped = (text: string | Uint8Array) => Buffer.from(Bun.gzipSync(Buffer.from(text)));

/** A ZIP file, made by hand. */
function zipped(
  files: Readonly<Record<string, string | Buffer>>,
  { method = 8, flags = 0, crc }: { method?: number; flags?: number; crc?: number } = {},
): Buffer {
  const locals: Buffer[] = [];
  const directory: Buffer[] = [];
  for (const [name, content] of Object.entries(files)) {
    const data = Buffer.from(content);
    const packed = method === 8 ? deflateRawSync(data) : data;
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(flags, 2);
    common.writeUInt16LE(method, 4);
    common.writeUInt32LE(crc ?? Bun.hash.crc32(data), 10);
    common.writeUInt32LE(packed.length, 14);
    common.writeUInt32LE(data.length, 18);
    common.writeUInt16LE(name.length, 22);
    const offset = Buffer.concat(locals).length;
    locals.push(Buffer.concat([Buffer.from("PK\x03\x04"), common, Buffer.from(name), packed]));
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(offset, 10);
    directory.push(
      Buffer.concat([Buffer.from("PK\x01\x02"), Buffer.from([20, 0]), common, tail, Buffer.from(name)]),
    );
  }
  const end = Buffer.alloc(18);
  const count = directory.length;
  end.writeUInt16LE(count, 4);
  end.writeUInt16LE(count, 6);
  end.writeUInt32LE(Buffer.concat(directory).length, 8);
  end.writeUInt32LE(Buffer.concat(locals).length, 12);
  return Buffer.concat([...locals, ...directory, Buffer.from("PK\x05\x06"), end]);
}

function message(type: string, content: Buffer, name: string): Buffer {
  return Buffer.from([
    "From: a@big.example",
    "Subject: Report Domain: example.com Submitter: big.example Report-ID: 1",
    'Content-Type: multipart/mixed; boundary="b"',
    "",
    "--b",
    "Content-Type: text/plain",
    "",
    "This is a report.",
    "--b",
    `Content-Type: ${type}; name="${name}"`,
    "Content-Transfer-Encoding: base64",
    "",
    ...content.toString("base64").match(/.{1,76}/g)!,
    "--b--",
    "",
  ].join("\r\n"));
}

const shown = (found: readonly Found[]) =>
  found.map((each) => each.is === "report" ? each.report.organization : `${each.file}: ${each.why}`);
const read = (bytes: Buffer | string) => shown(reportsIn(Buffer.from(bytes)));
const REPORT = ["big.example é"];

describe("reportsIn() finds reports", () => {
  test("as they are, packed by gzip, in a ZIP file", () => {
    expect(read(XML)).toEqual(REPORT);
    expect(read(gzipped(XML))).toEqual(REPORT);
    expect(read(zipped({ "a.xml": XML, "folder/": "" }))).toEqual(REPORT);
    expect(read(zipped({ "a.xml": XML, "b.xml": XML }, { method: 0 }))).toEqual([...REPORT, ...REPORT]);
  });

  test("in messages, by what they are and not by what their types say", () => {
    for (const type of ["application/gzip", "application/octet-stream", "text/plain"]) {
      expect(read(message(type, gzipped(XML), "a.xml.gz"))).toEqual(REPORT);
    }
    expect(read(message("application/zip", zipped({ "a.xml": XML }), "a.zip"))).toEqual(REPORT);
    expect(read(message("text/xml", Buffer.from(XML), "a.xml"))).toEqual(REPORT);
    const single = ["Content-Type: application/zip", "Content-Transfer-Encoding: base64", ""];
    expect(read([...single, zipped({ "a.xml": XML }).toString("base64"), ""].join("\n"))).toEqual(REPORT);
  });

  test("in the encodings that there are", () => {
    expect(read(Buffer.from(XML.replace("UTF-8", "ISO-8859-1"), "latin1"))).toEqual(REPORT);
    expect(read(Buffer.concat([Buffer.from("\xff\xfe", "latin1"), Buffer.from(XML, "utf16le")]))).toEqual(
      REPORT,
    );
    expect(read(XML.replace("UTF-8", "EBCDIC"))).toEqual([": in an encoding that is not known"]);
  });

  test("and none in other mail", () => {
    expect(read("Subject: hello\r\n\r\nhow are you?\r\n")).toEqual([]);
    expect(read("Content-Type: text/html\r\n\r\n<html><body>Hi</body></html>\r\n")).toEqual([]);
    expect(read("")).toEqual([]);
  });
});

describe("reportsIn() is not made to grow", () => {
  const bomb = (size: number) => Buffer.concat([Buffer.from(XML), Buffer.alloc(size, 32)]);

  test("by gzip", () => {
    expect(read(gzipped(bomb(25 << 20)))).toEqual([": unpacks to more than a report may have"]);
    expect(read(gzipped(bomb(5 << 20)))).toEqual([": unpacks to more than a report may have"]);
    expect(read(message("application/gzip", gzipped(bomb(25 << 20)), "a.gz"))).toEqual([
      "a.gz: unpacks to more than a report may have",
    ]);
  });

  test("by a ZIP file, whatever sizes it declares", () => {
    const zip = zipped({ "a.xml": bomb(5 << 20) });
    expect(read(zip)).toEqual(["a.xml: unpacks to more than a report may have"]);
    const lying = Buffer.from(zip);
    lying.writeUInt32LE(100, lying.lastIndexOf("PK\x01\x02") + 24);
    expect(read(lying)).toEqual(["a.xml: unpacks to more than a report may have"]);
    const many = zipped(Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`${at}.xml`, XML])));
    expect(read(many).length).toBe(10);
  });

  test("by an archive in an archive: it is not opened", () => {
    expect(read(zipped({ "a.zip": zipped({ "a.xml": XML }) }))[0]).toStartWith("a.zip: line 1: ");
    expect(read(gzipped(gzipped(XML)))[0]).toStartWith(": line 1: ");
  });

  test("by an XML document", () => {
    expect(read(bomb(21 << 20))).toEqual([": larger than a report may be"]);
    expect(read(gzipped(`<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]><feedback>&a;</feedback>`)))
      .toEqual([
        ": line 1: a document type, which is not read",
      ]);
  });
});

test("what is broken is named, and the rest is read", () => {
  expect(read(gzipped(XML).subarray(0, 50))[0]).toStartWith(": cannot be unpacked: ");
  expect(read(zipped({ "a.xml": XML }, { flags: 1 }))).toEqual(["a.xml: cannot be unpacked: encrypted"]);
  expect(read(zipped({ "a.xml": XML }, { method: 12 }))).toEqual([
    "a.xml: cannot be unpacked: compression method 12",
  ]);
  expect(read(zipped({ "a.xml": XML }, { crc: 1 }))).toEqual(["a.xml: cannot be unpacked: checksum differs"]);
  expect(read("PK\x03\x04")).toEqual([": a ZIP file without an end"]);
  expect(read(zipped({ "bad\x1b.xml": "<feedback/>", "a.xml": XML }))).toEqual([
    "bad?.xml: no report_metadata",
    ...REPORT,
  ]);
});

test("no bytes throw: cut, changed, made up", () => {
  const seeds = [
    gzipped(XML),
    zipped({ "a.xml": XML, "b.xml": XML }),
    message("application/gzip", gzipped(XML), "a"),
    Buffer.from(XML),
  ];
  const change = fc.record({ at: fc.nat(), byte: fc.integer({ min: 0, max: 255 }) });
  fc.assert(
    fc.property(
      fc.constantFrom(...seeds),
      fc.array(change, { maxLength: 8 }),
      fc.nat(),
      (seed, changes, cut) => {
        const bytes = Buffer.from(seed);
        for (const { at, byte } of changes) bytes[at % bytes.length] = byte;
        void reportsIn(bytes);
        void reportsIn(bytes.subarray(0, cut % bytes.length));
      },
    ),
    { numRuns: 500 },
  );
  fc.assert(fc.property(fc.uint8Array(), (bytes) => void reportsIn(Buffer.from(bytes))));
});
