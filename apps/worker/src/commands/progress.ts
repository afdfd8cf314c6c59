const EVERY_MS = 1_000;

/** Hands on what is said, at most once a second: on no terminal each is a line. */
export function nowAndThen(update: (text: string) => void): (text: string) => void {
  let last = performance.now();
  return (text) => {
    if (performance.now() - last < EVERY_MS) return;
    last = performance.now();
    update(text);
  };
}
