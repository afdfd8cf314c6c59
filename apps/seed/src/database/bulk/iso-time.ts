const DAY_MS = 86_400_000;
const padded = (length: number, digits: number): string[] =>
  Array.from({ length }, (_, number) => String(number).padStart(digits, '0'));
const twoDigits = padded(60, 2);
const threeDigits = padded(1_000, 3);

let day = Number.NaN;
let dayText = '';

/**
 * The same text as `time.toISOString()`, in a third of the time: that one is a tenth of what mvp takes to generate. Most
 * times lie on the day of the one before.
 */
export function isoTime(time: Date): string {
  const at = time.getTime();
  const newDay = Math.floor(at / DAY_MS);
  if (newDay !== day) {
    dayText = time.toISOString().slice(0, -13);
    day = newDay;
  }
  const ofDay = at - newDay * DAY_MS;
  const ofHour = ofDay % 3_600_000;
  const ofMinute = ofHour % 60_000;
  const hours = twoDigits[(ofDay - ofHour) / 3_600_000];
  const minutes = twoDigits[(ofHour - ofMinute) / 60_000];
  const seconds = twoDigits[Math.floor(ofMinute / 1_000)];
  return `${dayText}${hours}:${minutes}:${seconds}.${threeDigits[ofMinute % 1_000]}Z`;
}
