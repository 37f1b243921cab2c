// The compat scorers there are, by name: an explicit table.
import { sb } from "./sb.ts";
import type { CompatScorer } from "./scorer.ts";
import { sos } from "./sos.ts";

export const compatScorers: Readonly<Record<"sb" | "sos", CompatScorer>> = { sb, sos };
