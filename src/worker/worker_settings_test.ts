import { expect, test } from "bun:test";
import { WORKER_RUNTIME, workerCount, workerEnvironment } from "./worker_settings.ts";

test("worker_processes = auto leaves a processor free, where there is more than one", () => {
  expect([1, 2, 8].map((processors) => workerCount("auto", processors))).toEqual([1, 1, 7]);
  expect(workerCount("128", 2)).toBe(128);
});

test.each(["0", "129", "-1", "2.5", "many", ""])("worker_processes = %p does not start", (value) => {
  expect(() => workerCount(value, 4)).toThrow(`bad worker_processes value "${value}"`);
});

test("workers get what import_environment names or sets, and a path of their own", () => {
  const environment = { TZ: "Europe/Berlin", BUN_OPTIONS: "--inspect", PATH: "/home/x/bin" };
  expect(workerEnvironment("MAIL_CONFIG TZ, LANG=C A=b=c", environment)).toEqual({
    PATH: "/usr/bin:/bin:/usr/sbin:/sbin",
    TZ: "Europe/Berlin",
    LANG: "C",
    A: "b=c",
  });
});

test("the runtime knows what workers ask of it", () => {
  const env = { ...WORKER_RUNTIME, BUN_JSC_dumpOptions: "1" };
  const { stderr } = Bun.spawnSync([process.execPath, "--no-install", "-e", "0"], { env });
  for (const [name, value] of Object.entries(WORKER_RUNTIME)) {
    expect(stderr.toString()).toContain(`${name.slice("BUN_JSC_".length)}=${value}`);
  }
});
