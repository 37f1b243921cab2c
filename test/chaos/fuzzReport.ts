// What a fuzz run found, and whether memory stays flat. Pure.

/** How many messages, and how they differ from each other. */
export interface FuzzPlan {
  readonly seed: number;
  /** Numbers of the messages, in order. */
  readonly first: number;
  readonly messages: number;
}

export interface FuzzReport {
  readonly side: "coordinator" | "worker" | "mock";
  readonly seed: number;
  readonly seconds: number;
  /** Messages sent, by what the other side must make of them. */
  readonly sent: Readonly<Record<string, number>>;
  /** The same, as the other side counted them. */
  readonly counted: Readonly<Record<string, number>>;
  /** Right calls made meanwhile, all answered rightly when there are no faults. */
  readonly calls: number;
  readonly memory: MemoryTrend;
  readonly faults: readonly string[];
}

export interface MemorySample {
  /** Messages sent until then. */
  readonly messages: number;
  readonly bytes: number;
}

export interface MemoryTrend {
  readonly firstBytes: number;
  readonly lastBytes: number;
  /** Slope of the straight line through the samples after the warm-up. */
  readonly bytesPerMessage: number;
  /** By so much the line rises over the messages behind the warm-up. */
  readonly riseBytes: number;
}

/** Share of the messages after which caches, compiled code and heaps have their size. */
const warmUp = 0.3;
/** What a line through noisy samples may rise by, however many messages: 50 bytes per message of a million. A heap of Node.js
 * that holds 16 MB throughout has been seen to drift by 20. */
export const riseAllowed = 48 * 2 ** 20;

/** The line of least squares through the samples behind the warm-up. */
export function memoryTrend(samples: readonly MemorySample[]): MemoryTrend {
  const end = samples.at(-1)?.messages ?? 0;
  const measured = samples.filter(({ messages }) => messages >= warmUp * end);
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
  const middle = mean(measured.map(({ messages }) => messages));
  const level = mean(measured.map(({ bytes }) => bytes));
  const spread = measured.reduce((sum, { messages }) => sum + (messages - middle) ** 2, 0);
  const together = measured.reduce((sum, { messages, bytes }) => sum + (messages - middle) * (bytes - level), 0);
  const bytesPerMessage = spread === 0 ? 0 : together / spread;
  return {
    firstBytes: measured[0]?.bytes ?? 0,
    lastBytes: measured.at(-1)?.bytes ?? 0,
    bytesPerMessage,
    riseBytes: bytesPerMessage * (end - (measured[0]?.messages ?? 0)),
  };
}

/** What speaks against a run: counts that differ, memory that grows. */
export function faultsOf(report: Omit<FuzzReport, "faults">): string[] {
  const { sent, counted, memory } = report;
  const names = new Set([...Object.keys(sent), ...Object.keys(counted)]);
  const differing = [...names].filter((name) => (sent[name] ?? 0) !== (counted[name] ?? 0));
  const counts = differing.map((name) => `${name}: ${sent[name] ?? 0} sent, ${counted[name] ?? 0} counted`);
  const mebibytes = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
  const grows =
    memory.riseBytes <= riseAllowed
      ? []
      : [
          `memory rises by ${mebibytes(memory.riseBytes)} (${memory.bytesPerMessage.toFixed(0)} bytes per message), ` +
            `${mebibytes(riseAllowed)} allowed`,
        ];
  const silent = report.calls === 0 ? ["no right call was made meanwhile"] : [];
  return [...counts, ...grows, ...silent];
}
