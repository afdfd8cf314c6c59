import { objectName } from '@mobvibe/sync';
import type { Fingerprint } from '../sandbox/sandbox.ts';
import { type Holdings, recordSize } from './holdings.ts';

export interface Plan {
  /** Paths of the files whose content Storage does not hold, small ones first. */
  upload: string[];
  /** Paths of what Storage holds and should not. */
  remove: string[];
  /** How many files cannot be kept: too large, too many together, or of a name that Storage cannot have. */
  skipped: number;
}

export interface PlanLimits {
  /** All files of a session together. */
  totalBytes: number;
  /** What may be said of them in the session's metadata. */
  recordBytes: number;
}

/**
 * What is to be done so that Storage holds what the sandbox does.
 * @param files those of the sandbox; one without a hash is larger than Storage takes
 * @param isWhole false: what is not among the files need not be gone
 */
export function planUpload(
  files: Fingerprint[],
  holdings: Holdings,
  limits: PlanLimits,
  isWhole: boolean,
): Plan {
  const present = new Set(files.map(({ path }) => path));
  const staying = isWhole ? [] : [...holdings.keys()].filter((path) => !present.has(path));
  let total = 0;
  let record = staying.reduce((bytes, path) => bytes + recordSize(path), 0);
  // Of too much the code is kept, rather than one large picture.
  const kept = [...files]
    .sort((one, other) => one.size - other.size)
    .filter(({ path, size, hash }) => {
      if (hash === undefined || objectName(path) === undefined) return false;
      if (total + size > limits.totalBytes || record + recordSize(path) > limits.recordBytes) return false;
      total += size;
      record += recordSize(path);
      return true;
    });
  const wanted = new Set([...staying, ...kept.map(({ path }) => path)]);
  return {
    upload: kept.filter(({ path, hash }) => holdings.get(path) !== hash).map(({ path }) => path),
    remove: [...holdings.keys()].filter((path) => !wanted.has(path)),
    skipped: files.length - kept.length,
  };
}
