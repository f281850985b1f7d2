import { expect, test } from "bun:test";
import { Complaints } from "./_complaints.ts";
import { namedDirectory, readOptions } from "./_options.ts";

const SETTINGS = {
  default_verp_delimiters: "+=",
  verp_delimiter_filter: "-=+",
  requiretls_enable: true,
  smtputf8_enable: false,
};

function read(words: readonly string[], name = "sendmail") {
  const complaints = new Complaints(name);
  const options = readOptions({ name, verbose: 0, words }, SETTINGS, complaints);
  return { ...options, remarks: complaints.remarks.map(({ text }) => text) };
}

test("options come before recipients, in words of several letters too, and end at a word that is none", () => {
  expect(read(["-ti", "-fann", "-F", "Ann B", "bob", "-v"])).toMatchObject({
    mode: "enqueue",
    recipientsFromHeader: true,
    dotEnds: false,
    sender: "ann",
    fullName: "Ann B",
    verbose: 0,
    recipients: ["bob", "-v"],
  });
  expect(read(["--", "-v"]).recipients).toEqual(["-v"]);
});

test("the name says what is done until an option does", () => {
  expect(read([], "mailq").mode).toBe("mailq");
  expect(read(["-bm"], "mailq").mode).toBe("enqueue");
  expect(read(["-I"]).mode).toBe("newaliases");
  expect(read([], "constructor").mode).toBe("enqueue");
});

test("-O of Postfix 3.11: what is switched off is warned of, what is no yes or no ignored", () => {
  expect(read(["-O", "RequireTLS=YES"])).toMatchObject({ requireTls: true, remarks: [] });
  expect(read(["-O", "REQUIRETLS=yes", "-O", "REQUIRETLS=no"]).requireTls).toBe(false);
  expect(read(["-O", "REQUIRETLS=maybe"])).toMatchObject({
    requireTls: false,
    remarks: ["bad -O option: 'REQUIRETLS=maybe' -- ignored"],
  });
  expect(read(["-O", "SMTPUTF8=yes"])).toMatchObject({
    smtputf8: false,
    remarks: ["Ignoring option '-O SMTPUTF8=yes', because the configuration is 'smtputf8_enable = no'"],
  });
  expect(read(["-O", "QueueDirectory=/tmp"]).remarks).toEqual([]);
});

test("the last -C names the configuration, whatever stands around it", () => {
  const directory = (...words: string[]) => namedDirectory(words, new Complaints("sendmail"));
  expect(directory("-C", "/one", "-q", "-tC/two", "ann")).toBe("/two");
  expect(directory("ann", "-C", "/one")).toBeUndefined();
  expect(directory("-f", "-C", "ann")).toBeUndefined();
});
