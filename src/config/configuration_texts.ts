import { z } from "zod";
import type { ConfigurationTexts } from "./service.ts";

const schema: z.ZodType<ConfigurationTexts> = z.strictObject({
  main: z.string(),
  master: z.string(),
  overrides: z.array(z.strictObject({
    name: z.string(),
    value: z.string(),
    file: z.string(),
    secret: z.boolean().optional(),
  })),
});

/** The texts of a configuration as another process sent them; throws when they are not that. */
export function parseConfigurationTexts(message: unknown): ConfigurationTexts {
  return schema.parse(message);
}
