// Many waits at once, but not too many: files of a folder, say.

/** What `work` makes of each item, in the order of the items, at most `atOnce` at a time. The first failure rejects. */
export async function mapBounded<Item, Made>(
  items: readonly Item[],
  atOnce: number,
  work: (item: Item) => Promise<Made>,
): Promise<Made[]> {
  const made: Made[] = [];
  const queue = items.entries();
  const takeTurns = async () => {
    for (const [index, item] of queue) made[index] = await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, takeTurns));
  return made;
}
