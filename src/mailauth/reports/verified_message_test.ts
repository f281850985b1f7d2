import { expect, test } from "bun:test";
import { isReportSubject } from "./verified_message.ts";

test("isReportSubject() knows the Subject of RFC 9990 §3.5.2, and of no other mail", () => {
  for (
    const subject of [
      " Report Domain: example.com\r\n Submitter: mail.receiver.example\r\n Report-ID: <1@x>\r\n",
      "Report domain: example.com Submitter: google.com Report-ID: 12345",
    ]
  ) expect(isReportSubject(subject)).toBeTrue();
  for (const subject of ["", "Report", "Re: Report Domain: a Submitter: b", "Report Domain: Submitter:"]) {
    expect(isReportSubject(subject)).toBeFalse();
  }
});
