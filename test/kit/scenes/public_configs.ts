// Public configurations, kept beside the project with the script that renders them; TEST_CONFIGS names another folder of the kind.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

/** Where they are, if they are there. */
export const PUBLIC_CONFIGS = resolve(
  process.env.TEST_CONFIGS ?? join(import.meta.dirname, "../../../../shared/configs"),
);

/** Their names; none where the folder is not there. */
export function publicConfigs(): string[] {
  if (!existsSync(join(PUBLIC_CONFIGS, "try.py"))) return [];
  return readdirSync(PUBLIC_CONFIGS).filter((name) => existsSync(join(PUBLIC_CONFIGS, name, "etc/main.cf")))
    .sort();
}

/** An inet service of a rendered configuration. */
export interface RenderedPort {
  /** As it was before it got a free port of loopback: `smtp`, `submission`. */
  readonly label: string;
  readonly port: number;
  /** TLS from the first byte. */
  readonly wrapped: boolean;
  readonly program: string;
}

/** A configuration in a folder of its own, with free ports. */
export interface Rendered {
  readonly etc: string;
  readonly ports: readonly RenderedPort[];
  remove(): void;
}

export function renderConfig(name: string): Rendered {
  const root = mkdtempSync(join(tmpdir(), "config-"));
  const script = join(PUBLIC_CONFIGS, "try.py");
  const { status, stdout, stderr } = spawnSync(
    "python3",
    ["-B", script, "--render", name, join(root, name)],
    {
      encoding: "utf8",
    },
  );
  if (status !== 0) throw new Error(`${name} cannot be rendered: ${stderr}`);
  const ports = stdout.trim().split("\n").filter((line) => line !== "").map((line): RenderedPort => {
    const [label = "", port, wrapped, program = ""] = line.split(" ");
    return { label, port: Number(port), wrapped: wrapped === "True", program };
  });
  return {
    etc: join(root, name, "etc"),
    ports,
    remove: () => rmSync(root, { recursive: true, force: true }),
  };
}
