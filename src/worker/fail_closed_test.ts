// No parameter whose absence would open the service is left without effect: absence.ts has no such row, and one that comes needs a trial.
import { expect, test } from "bun:test";
import { absenceOf, isHonoured } from "../config/check/check_honoured.ts";
import { ABSENCE } from "../config/parameters/absence.ts";
import { DEMANDED } from "../config/parameters/honoured.ts";
import { parameters, patterns } from "../config/parameters/parameters.ts";

test("what an operator shuts is shut: no parameter without effect would stand open", () => {
  const open = Object.entries(ABSENCE).filter(([, absence]) => absence.means === "open");
  expect(open).toEqual([]);
  expect(DEMANDED as readonly string[]).toEqual([]);
});

test("every parameter is honoured or has a row that says what its absence means, never both", () => {
  const names = [...Object.keys(parameters), ...Object.keys(patterns)];
  expect(names.filter((name) => !isHonoured(name) && absenceOf(name) === undefined)).toEqual([]);
  expect(Object.keys(ABSENCE).filter((name) => isHonoured(name) || !names.includes(name))).toEqual([]);
});
