import { expect, test } from "bun:test";
import { delayText } from "./delay_text.ts";

test("delayText() has two significant digits and nothing below the resolution", () => {
  const rows = [
    [0, "0"],
    [-5, "0"],
    [4, "0"],
    [5, "0.01"],
    [12, "0.01"],
    [100, "0.1"],
    [186, "0.19"],
    [997, "1"],
    [1040, "1"],
    [5340, "5.3"],
    [9970, "10"],
    [12_400, "12"],
    [31_500, "32"],
    [100_000, "100"],
    [86_400_000, "86400"],
  ] as const;
  for (const [milliseconds, text] of rows) expect(delayText(milliseconds, 2)).toBe(text);
});

test("delay_logging_resolution_limit decides over small delays", () => {
  expect(delayText(1.234, 6)).toBe("0.0012");
  expect(delayText(0.0021, 6)).toBe("0.000002");
  expect(delayText(12, 0)).toBe("0");
  expect(delayText(700, 0)).toBe("1");
});
