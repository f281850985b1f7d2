import { expect, test } from "bun:test";
import { createTlsContext } from "../platform/socket/tls_context.ts";
import { keyExchangeGroups } from "./groups.ts";

const SETTINGS = {
  tls_eecdh_auto_curves: "X25519 X448 prime256v1 secp521r1 secp384r1",
  tls_eecdh_strong_curve: "prime256v1",
  tls_eecdh_ultra_curve: "secp384r1",
};

test("keyExchangeGroups() takes the library's groups of a grade, in their order", () => {
  expect(keyExchangeGroups(SETTINGS, "auto")).toEqual({ groups: ["X25519", "P-256", "P-521", "P-384"] });
  expect(keyExchangeGroups(SETTINGS, "strong")).toEqual({ groups: ["P-256"] });
  expect(keyExchangeGroups(SETTINGS, "ULTRA")).toEqual({ groups: ["P-384"] });
  expect(keyExchangeGroups(SETTINGS, "none")).toEqual({ groups: undefined });
});

test("keyExchangeGroups() says what is wrong, and leaves the library its own", () => {
  expect(keyExchangeGroups(SETTINGS, "best")).toEqual({
    groups: undefined,
    warning: 'Invalid TLS eecdh grade "best": EECDH disabled',
  });
  expect(keyExchangeGroups({ ...SETTINGS, tls_eecdh_auto_curves: "X448, ffdhe2048" }, "auto")).toEqual({
    groups: undefined,
    warning: 'tls_eecdh_auto_curves: none of the groups in "X448, ffdhe2048" are supported',
  });
});

test("every group that is known by name is one of the library's", () => {
  const all = "X25519MLKEM768:x25519:P-256:secp256r1,p-384 secp521r1 P-521";
  const { groups } = keyExchangeGroups({ ...SETTINGS, tls_eecdh_auto_curves: all }, "auto");
  expect(groups).toEqual(["X25519MLKEM768", "X25519", "P-256", "P-384", "P-521"]);
  expect(() => createTlsContext({ ca: "", groups })).not.toThrow();
});
