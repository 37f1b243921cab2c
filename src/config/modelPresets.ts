// Shapes of models trained from scratch, by name: those of the publications, and Llama shapes that one GPU trains in minutes.
// Shape only: context, initialisation and everything else come from the config. Data, imports nothing.

/** The shape keys of a scratch model (schema.ts). */
export interface PresetShape {
  readonly architecture: "llama" | "qwen2" | "gpt_neox" | "gpt2";
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  readonly keyValueHeads?: number;
  readonly mlp: number;
  readonly ropeTheta?: number;
  readonly rotaryShare?: number;
  readonly parallelResidual?: boolean;
}

/** arXiv 2504.07052: Qwen2 from random weights. Whether embeddings are tied is not said there. */
function qwen2(width: number, layers: number, heads: number, keyValueHeads: number, mlp: number): PresetShape {
  return { architecture: "qwen2", width, layers, heads, keyValueHeads, mlp, ropeTheta: 1e6 };
}

/** The graph models: a quarter of each head is rotated, attention and feed-forward side by side. */
function neox(layers: number, heads: number, width: number): PresetShape {
  const own = { rotaryShare: 0.25, parallelResidual: true };
  // The published example has 512 at width 256; the ratio at width 512 is our reading of it.
  return { architecture: "gpt_neox", width, layers, heads, mlp: 2 * width, ...own };
}

function llama(width: number, layers: number, heads: number, keyValueHeads: number, mlp: number): PresetShape {
  return { architecture: "llama", width, layers, heads, keyValueHeads, mlp };
}

export const modelPresets = {
  "qwen2-3m": qwen2(256, 6, 4, 1, 512),
  "qwen2-17m": qwen2(512, 8, 4, 1, 1024),
  "qwen2-38m": qwen2(512, 10, 8, 2, 2048),
  "qwen2-144m": qwen2(1024, 12, 8, 2, 3072),
  "qwen2-365m": qwen2(1024, 24, 16, 4, 4096),
  "neox-3x4": neox(3, 4, 256),
  "neox-3x8": neox(3, 8, 512),
  "neox-6x4": neox(6, 4, 256),
  "neox-6x8": neox(6, 8, 512),
  "neox-12x8": neox(12, 8, 512),
  // Stream of Search used GPT-Neo (GPT-2 with local attention in every second layer, window 256); GPT-2 stands in for it.
  "sos-250m": { architecture: "gpt2", width: 1024, layers: 16, heads: 16, mlp: 4096 },
  "llama-50m": llama(512, 12, 8, 4, 2176),
  "llama-100m": llama(768, 16, 12, 4, 2048),
  "llama-150m": llama(1024, 12, 16, 4, 3200),
} satisfies Record<string, PresetShape>;

export type PresetName = keyof typeof modelPresets;
export const presetNames = Object.keys(modelPresets) as PresetName[];
