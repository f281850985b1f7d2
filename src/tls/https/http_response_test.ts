import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { BadResponse, type HttpResponse, ResponseReader } from "./http_response.ts";

/** Reads an answer that comes in pieces of the given sizes, again and again. */
function read(text: string, pieces: readonly number[] = [text.length], limit = 100): HttpResponse {
  const reader = new ResponseReader(limit);
  const bytes = Buffer.from(text, "latin1");
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = Math.max(1, pieces[i % pieces.length]!);
    const found = reader.push(bytes.subarray(at, at + size));
    if (found !== undefined) return found;
    at += size;
  }
  return reader.end();
}

const body = (text: string, pieces?: readonly number[]) => read(text, pieces).body.toString("latin1");
const fault = (text: string, limit?: number): string => {
  try {
    return `no fault: ${read(text, undefined, limit).status}`;
  } catch (error) {
    if (error instanceof BadResponse) return error.message;
    throw error;
  }
};

const SAMPLES = {
  length: "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello",
  close: "HTTP/1.0 200\r\nX: 1\r\nx: 2\r\n\r\nhello",
  chunked:
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n2;x=y\r\nhe\r\n3 \r\nllo\r\n0\r\nTrailer: x\r\n\r\n",
  interim: "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhellomore",
};

describe("an answer", () => {
  for (const [name, text] of Object.entries(SAMPLES)) {
    test(`${name}: is the same in every split`, () => {
      expect(body(text)).toBe("hello");
      fc.assert(fc.property(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }), (pieces) => {
        expect(body(text, pieces)).toBe("hello");
      }));
    });
  }

  test("fields are told by lower-case names, repeated ones joined", () => {
    const { status, fields } = read(SAMPLES.close);
    expect([status, fields.get("x")]).toEqual([200, "1, 2"]);
  });

  test("204 has no body whatever it says", () => {
    expect(read("HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n").body.length).toBe(0);
  });

  test("what is no answer is refused", () => {
    expect(fault("HTTP/2 200 OK\r\n\r\n")).toBe("it is not HTTP/1.1");
    expect(fault("SSH-2.0-x\r\n\r\n")).toBe("it is not HTTP/1.1");
    expect(fault("HTTP/1.1 101 Switching\r\n\r\n")).toBe("it is not an answer");
    expect(fault("HTTP/1.1 200 OK\r\nno colon\r\n\r\n")).toBe("a header field is malformed");
    expect(fault("HTTP/1.1 200 OK\r\n folded: x\r\n\r\n")).toBe("a header field is malformed");
    expect(fault("HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\nx")).toBe("its length is malformed");
    expect(fault("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n")).toContain(
      "its transfer encoding",
    );
    expect(fault("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n")).toBe("a chunk has no size");
    expect(fault("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n")).toBe(
      "a chunk is longer than it says",
    );
    expect(fault("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello")).toBe("the answer is cut off");
    expect(fault("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")).toBe(
      "the answer is cut off",
    );
    expect(fault("HTTP/1.1 200 OK\r\n")).toBe("the answer is cut off");
    expect(fault("HTTP/1.1 100 Continue\r\n\r\n".repeat(20))).toBe("it is not an answer");
  });

  test("what is too large is refused as soon as that is known", () => {
    expect(fault("HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n")).toBe("it is larger than 100 bytes");
    expect(fault("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n")).toBe(
      "it is larger than 100 bytes",
    );
    expect(fault(`HTTP/1.1 200 OK\r\n\r\n${"x".repeat(101)}`)).toBe("it is larger than 100 bytes");
    expect(fault(`HTTP/1.1 200 OK\r\nX: ${"x".repeat(17_000)}`)).toBe("its head is too long");
    expect(fault(`HTTP/1.1 200 OK\r\n\r\n${"x".repeat(100)}`)).toBe("no fault: 200");
  });

  test("no bytes do worse than a BadResponse", () => {
    const piece = fc.oneof(fc.string(), fc.constantFrom(...Object.values(SAMPLES), "\r\n", "0\r\n\r\n"));
    fc.assert(fc.property(fc.array(piece), (pieces) => void fault(pieces.join(""))));
  });
});
