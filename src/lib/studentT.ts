// Student's t distribution with whole degrees of freedom, as small samples of trainings need it. Pure.

/** P(|T| <= t) for t >= 0: the finite sums of Abramowitz and Stegun 26.7.3 and 26.7.4. */
function within(t: number, freedom: number): number {
  const angle = Math.atan(t / Math.sqrt(freedom));
  const cosine = Math.cos(angle);
  const isOdd = freedom % 2 === 1;
  let term = isOdd ? cosine : 1;
  let sum = freedom === 1 ? 0 : term;
  for (let k = isOdd ? 3 : 2; k <= freedom - 2; k += 2) {
    term *= (cosine * cosine * (k - 1)) / k;
    sum += term;
  }
  return isOdd ? (2 / Math.PI) * (angle + Math.sin(angle) * sum) : Math.sin(angle) * sum;
}

/** The t above the mean with P(T <= t) = `probability`, which lies between 0.5 and 1. */
export function studentQuantile(probability: number, freedom: number): number {
  if (!(Number.isInteger(freedom) && freedom > 0)) throw new RangeError(`studentQuantile: ${freedom} degrees of freedom`);
  if (!(probability >= 0.5 && probability < 1)) throw new RangeError(`studentQuantile: probability ${probability}`);
  const target = 2 * probability - 1;
  let [low, high] = [0, 1];
  while (within(high, freedom) < target) high *= 2;
  for (;;) {
    const middle = (low + high) / 2;
    if (middle <= low || middle >= high) return middle;
    if (within(middle, freedom) < target) low = middle;
    else high = middle;
  }
}
