/** One call at a time, and its answer for a while. */
export function cached<T>(task: () => Promise<T>, forMs: number): () => Promise<T> {
  let last: { at: number; answer: Promise<T> } | undefined;
  return () => {
    if (!last || performance.now() - last.at > forMs) last = { at: performance.now(), answer: task() };
    return last.answer;
  };
}
