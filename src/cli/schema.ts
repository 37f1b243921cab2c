// backtrail schema: the config's JSON Schema on stdout.
import { configJsonSchema } from "../config/jsonSchema.ts";
import type { ExitCode, Io } from "./io.ts";

export async function schemaCommand(io: Io): Promise<ExitCode> {
  io.out(`${JSON.stringify(configJsonSchema(), null, 2)}\n`);
  return 0;
}
