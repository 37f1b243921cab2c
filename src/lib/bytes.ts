// Amounts of storage and memory in words. Pure.

const units = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

/** "512 B", "3.4 KiB", "120 MiB", "1.5 GiB": two digits at least, binary units. */
export function formatBytes(bytes: number): string {
  let amount = bytes;
  let unit = 0;
  while (amount >= 1024 && unit < units.length - 1) {
    amount /= 1024;
    unit++;
  }
  return `${unit === 0 || amount >= 99.95 ? Math.round(amount) : amount.toFixed(1)} ${units[unit]}`;
}
