// The config's JSON Schema, for editors: made from the zod schema, so it cannot drift.
import { z } from "zod";
import type { Json } from "../lib/hash.ts";
import { configFile } from "./schema.ts";

/** Draft 2020-12, of the file as it is written (defaults may be left out). */
export function configJsonSchema(): Json {
  const schema = z.toJSONSchema(configFile, { io: "input" }) as Record<string, Json>;
  return { ...schema, title: "Backtrail sweep" };
}
