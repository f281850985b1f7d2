import { expect, test } from "bun:test";
import { cipherList } from "./ciphers.ts";

const SETTINGS = {
  tls_high_cipherlist: "aNULL:-aNULL:HIGH:@STRENGTH",
  tls_medium_cipherlist: "aNULL:-aNULL:HIGH:MEDIUM:+RC4:@STRENGTH",
  tls_low_cipherlist: "aNULL:-aNULL:HIGH:MEDIUM:LOW:+RC4:@STRENGTH",
  tls_export_cipherlist: "aNULL:-aNULL:HIGH:MEDIUM:LOW:EXPORT:+RC4:@STRENGTH",
  tls_null_cipherlist: "eNULL:!aNULL",
};
const list = (grade: string, ...exclude: string[]) => cipherList(SETTINGS, { grade, exclude });

test("cipherList() is the grade's list and what is excluded from it", () => {
  expect(list("high")).toEqual({ ciphers: SETTINGS.tls_high_cipherlist });
  expect(list("Medium", "aNULL, 3DES", "RC4:MD5")).toEqual({
    ciphers: `${SETTINGS.tls_medium_cipherlist}:!aNULL:!3DES:!RC4:!MD5`,
  });
});

test("lists that people copy from guides work unedited", () => {
  for (
    const written of [
      "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES128-GCM-SHA256",
      "EECDH+AESGCM:EDH+AESGCM:AES256+EECDH:AES256+EDH",
      "ALL:!ADH:!LOW:!EXP:!MD5:@STRENGTH",
      "TLS_AES_128_GCM_SHA256:ECDHE+AESGCM:ECDHE+CHACHA20:!SHA1:!kRSA",
      "DEFAULT:!aNULL",
    ]
  ) {
    const made = cipherList({ ...SETTINGS, tls_medium_cipherlist: written }, {
      grade: "medium",
      exclude: [],
    });
    expect(made).toEqual({ ciphers: written });
  }
});

test("a security level, which the library has not, is left out", () => {
  const settings = { ...SETTINGS, tls_medium_cipherlist: "DEFAULT:@SECLEVEL=0" };
  expect(cipherList(settings, { grade: "medium", exclude: [] })).toEqual({ ciphers: "DEFAULT" });
});

test("cipherList() refuses what cannot be used, in Postfix's words", () => {
  expect(list("bogus")).toEqual({ problem: 'invalid cipher grade: "bogus"' });
  expect(list("medium", "RC4, !MD5")).toEqual({
    problem: "invalid unary '!+-@' in cipher exclusion: !MD5",
  });
  expect(list("null")).toEqual({ problem: 'error setting cipher grade: "null"' });
  expect(list("high", "ALL")).toEqual({ problem: 'error setting cipher grade: "high"' });
});
