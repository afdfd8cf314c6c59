import { describe, expect, it } from 'vitest';
import { createWakeup } from '../src/wakeup.ts';

describe('the wake-up', () => {
  it('is not slept through when it came while the last look for work was under way', async () => {
    const wakeup = createWakeup();
    const { generation } = wakeup;
    wakeup.wake();
    const started = performance.now();
    await wakeup.wait(generation, 10_000);
    expect(performance.now() - started).toBeLessThan(1_000);
  });

  it('wakes everybody who waits', async () => {
    const wakeup = createWakeup();
    const waiting = [1, 2].map(() => wakeup.wait(wakeup.generation, 10_000));
    wakeup.wake();
    await Promise.all(waiting);
  });

  it('gives up after the poll interval', async () => {
    const wakeup = createWakeup();
    const started = performance.now();
    await wakeup.wait(wakeup.generation, 30);
    expect(performance.now() - started).toBeGreaterThan(25);
  });
});
