import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { describe, expect, it } from "vitest";
import { connectDealer, openRouter } from "../../src/worker/transport.ts";
import { until } from "./helpers.ts";

const maxMessageBytes = 1 << 20;

describe("router and dealer", { timeout: 20_000 }, () => {
  it("carry bursts in both directions in order, beyond what un-awaited sends can do, and keep timers alive", async () => {
    const received: number[] = [];
    const answered: number[] = [];
    const undelivered: string[] = [];
    const router = await openRouter({
      maxMessageBytes,
      onMessage: (peer, [frame]) => {
        received.push((frame as Buffer).readUInt32LE(0));
        router.send(peer, [frame as Buffer]);
      },
      onUndelivered: (_, reason) => undelivered.push(reason),
    });
    const dealer = connectDealer({
      endpoint: router.endpoint,
      worker: "w",
      onMessage: ([frame]) => answered.push((frame as Buffer).readUInt32LE(0)),
    });
    const count = 5000;
    for (let index = 0; index < count; index++) {
      const frame = Buffer.alloc(200);
      frame.writeUInt32LE(index);
      dealer.send([frame]);
    }
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    await until(() => answered.length === count);
    clearInterval(timer);
    const order = Array.from({ length: count }, (_, index) => index);
    expect(received).toEqual(order);
    expect(answered).toEqual(order);
    expect(turns).toBeGreaterThan(3);
    expect(undelivered).toEqual([]);
    await dealer.close();
    await router.close();
    await router.close();
    expect(existsSync(dirname(router.endpoint.slice("ipc://".length)))).toBe(false);
  });

  it("report what cannot be delivered: an unknown peer, a message too large", async () => {
    const undelivered: string[] = [];
    const router = await openRouter({
      maxMessageBytes,
      onMessage: () => undefined,
      onUndelivered: (peer, reason) => undelivered.push(`${peer}: ${reason}`),
    });
    router.send("nobody", [Buffer.from("x")]);
    router.send("w", [Buffer.alloc(maxMessageBytes + 1)]);
    await until(() => undelivered.length === 2);
    expect(undelivered.sort()).toEqual([
      "nobody: EHOSTUNREACH",
      expect.stringMatching(/^w: a message of 1048577 bytes exceeds/),
    ]);
    await router.close();
  });
});
