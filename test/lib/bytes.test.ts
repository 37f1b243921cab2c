import { expect, it } from "vitest";
import { formatBytes } from "../../src/lib/bytes.ts";

it.each([
  [0, "0 B"],
  [1023, "1023 B"],
  [1024, "1.0 KiB"],
  [1536, "1.5 KiB"],
  [99.94 * 1024, "99.9 KiB"],
  [99.96 * 1024, "100 KiB"],
  [120 * 2 ** 20, "120 MiB"],
  [1.5 * 2 ** 30, "1.5 GiB"],
  [5000 * 2 ** 40, "5000 TiB"],
])("%d bytes are %s", (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});
