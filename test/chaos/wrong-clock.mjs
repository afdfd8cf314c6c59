// Preloaded into a worker whose clock is wrong: by CHAOS_CLOCK_MS, and each second the other way. What counts the
// time since an unknown start is shifted too, but cannot jump.
const shift = Number(process.env.CHAOS_CLOCK_MS);
const RealDate = Date;
const realNow = Date.now;
const wrongNow = () => {
  const now = realNow();
  return Math.trunc(now / 1_000) % 2 === 0 ? now + shift : now - shift;
};

globalThis.Date = new Proxy(RealDate, {
  construct: (target, values, made) =>
    Reflect.construct(target, values.length > 0 ? values : [wrongNow()], made),
  get: (target, name) => (name === 'now' ? wrongNow : Reflect.get(target, name)),
});

const realPerformanceNow = performance.now.bind(performance);
performance.now = () => realPerformanceNow() + Math.abs(shift);
