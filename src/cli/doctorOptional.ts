// What is not needed and makes training or decoding smaller or faster where it is there: DeepSpeed, LoRA, huge pages. Pure.
import type { PythonReport } from "../python/probe.ts";

export interface Check {
  readonly name: string;
  readonly ok: boolean;
  /** Nothing fails without it: no reason for exit code 2. */
  readonly optional?: true;
  readonly found: string;
  /** What to do when it is not right. */
  readonly fix?: string;
}

type Found = Extract<PythonReport, { ok: true }>;

const lacking = (name: string, found: string, fix: string): Check => ({ name, ok: false, optional: true, found, fix });

/** Results are the same without it. */
export function deepspeedCheck({ versions, extras, devices }: Found): Check {
  const name = "DeepSpeed";
  const without = "on several ranks each keeps the whole training state (same results, more memory)";
  const version = versions.deepspeed;
  if (version === undefined) return { name, ok: true, found: `not installed: ${without}` };
  const broken = extras?.broken.deepspeed;
  if (broken !== undefined) {
    const found = `${version} does not import (${broken})`;
    // transformers saves models through accelerate where that is there, which then imports DeepSpeed, whatever the model.
    if (versions.accelerate !== undefined)
      return { name, ok: false, found, fix: "install it anew or uninstall it: as it is, no trained model can be saved" };
    return lacking(name, found, `install it anew, or train without workers.deepspeed: ${without}`);
  }
  if (extras?.compiler === false && devices.length === 0)
    return lacking(
      name,
      `${version}, but there is no C++ compiler, with which it makes what ranks on a CPU need`,
      `install one (g++; CXX names another), or train without workers.deepspeed: ${without}`,
    );
  return { name, ok: true, found: version };
}

export function loraCheck({ versions, extras }: Found): Check {
  const name = "LoRA";
  const version = versions.peft;
  if (version === undefined) return { name, ok: true, found: "not available: peft is not installed (train.lora needs it)" };
  const broken = extras?.broken.peft;
  if (broken !== undefined)
    return lacking(
      name,
      `peft ${version} does not import (${broken})`,
      "install it anew; without it only train.lora is refused",
    );
  return { name, ok: true, found: `peft ${version}` };
}

/** Where Linux says whether a process that asks gets huge pages. */
export const hugePagesFile = "/sys/kernel/mm/transparent_hugepage/enabled";

/** `setting`: what that file holds, e.g. "always [madvise] never". */
export function hugePagesCheck(setting: string): Check {
  const name = "huge pages";
  const chosen = /\[(\w+)\]/.exec(setting)?.[1] ?? setting.trim();
  if (chosen !== "never") return { name, ok: true, found: chosen };
  const fix = `as root: echo madvise > ${hugePagesFile}; without them nothing but speed changes`;
  return lacking(name, "never: workers ask for them, so that a CPU decodes faster", fix);
}
