/** A person's family is one grapheme of seven code points; a rocket is two UTF-16 units. */
export const FAMILY = '👩‍👩‍👧‍👦';

/** `text` again and again, cut to so many characters as Postgres counts them: code points. */
export function filledTo(length: number, text: string): string {
  const points = [...text];
  return Array.from({ length }, (_, index) => points[index % points.length]).join('');
}
